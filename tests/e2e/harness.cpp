#include "tests/e2e/harness.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace fard::e2e {

using namespace std::chrono_literals;

namespace {

fs::path from_environment(const char* name) {
    const char* value = std::getenv(name);
    if (!value)
        throw std::runtime_error(std::string(name) + " is not set: run the tests through `meson test`");
    return value;
}

std::vector<std::string> merged_environment(const std::map<std::string, std::string>& changes) {
    std::vector<std::string> all;
    for (char** entry = environ; *entry; ++entry) {
        const std::string text = *entry;
        if (!changes.contains(text.substr(0, text.find('=')))) all.push_back(text);
    }
    for (const auto& [name, value] : changes)
        if (!value.empty()) all.push_back(name + "=" + value);  // an empty one is taken away
    return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (auto& text : texts)
        result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

// Field 4 of /proc/PID/stat: the parent; the command before it may hold spaces, never a ')' after the last
// one.
pid_t parent_of(const fs::path& process) {
    const auto text = read_file(process / "stat");
    const auto end = text.rfind(')');
    if (end == std::string::npos) return -1;
    std::istringstream rest(text.substr(end + 1));
    char state = 0;
    pid_t parent = -1;
    rest >> state >> parent;
    return state == 'Z' ? -1 : parent;
}

template <typename Visit>
void each_process(Visit visit) {
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") == std::string::npos) visit(std::stoi(name), entry.path());
    }
}

}  // namespace

fs::path build_root() {
    return from_environment("FARD_BUILD_ROOT");
}
fs::path source_root() {
    return from_environment("FARD_SOURCE_ROOT");
}

std::optional<fs::path> test_data() {
    const char* given = std::getenv("FARD_TEST_DATA");
    const fs::path place = given ? fs::path(given) : source_root().parent_path() / "shared" / "data";
    if (fs::exists(place / "models")) return place;
    static const bool said =
        (std::cout << "skipped: no test data at " << place << " (FARD_TEST_DATA)\n", true);
    (void)said;
    return std::nullopt;
}

std::string read_file(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();  // a process that ends meanwhile is an empty file, not an exception
    return text.str();
}

TempDir::TempDir() {
    std::string name = (fs::temp_directory_path() / "fard-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed");
    path_ = name;
}

TempDir::~TempDir() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

fs::path TempDir::write(const std::string& name, const std::string& text) const {
    const auto file = path_ / name;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return file;
}

Background::Background(const std::vector<std::string>& command,
                       const std::map<std::string, std::string>& environment, const fs::path& directory)
    : started_(std::chrono::steady_clock::now()) {
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
    auto words = command;
    auto variables = merged_environment(environment);
    const int error = posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, pointers(words).data(),
                                  pointers(variables).data());
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(err[1]);
    out_ = out[0];
    err_ = err[0];
    if (error != 0) throw std::runtime_error("cannot start " + words[0]);
}

Background::Background(Background&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      out_(std::exchange(other.out_, -1)),
      err_(std::exchange(other.err_, -1)),
      started_(other.started_) {}

Background::~Background() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    if (out_ >= 0) close(out_);
    if (err_ >= 0) close(err_);
}

void Background::signal(int number) const {
    if (pid_ > 0) kill(pid_, number);
}

// Reads both pipes until the process has ended; a descendant that keeps a pipe open does not hold the test
// up.
Outcome Background::wait(std::chrono::milliseconds limit) {
    Outcome outcome;
    const auto deadline = started_ + limit;
    int status = 0;
    bool ended = false;
    auto drain = [&](std::chrono::milliseconds patience) {
        pollfd waits[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
        poll(waits, 2, static_cast<int>(patience.count()));
        bool any = false;
        for (int i = 0; i < 2; ++i) {
            if (!(waits[i].revents & POLLIN)) continue;
            char buffer[65536];
            const auto got = read(waits[i].fd, buffer, sizeof buffer);
            if (got > 0) (i == 0 ? outcome.out : outcome.err).append(buffer, static_cast<std::size_t>(got));
            any = any || got > 0;
        }
        return any;
    };
    while (!ended) {
        if (std::chrono::steady_clock::now() > deadline) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
            pid_ = -1;
            while (drain(0ms)) {
            }
            outcome.err += "\n(killed by the test: it did not end in time)\n";
            return outcome;
        }
        drain(5ms);
        ended = waitpid(pid_, &status, WNOHANG) == pid_;
    }
    pid_ = -1;
    while (drain(0ms)) {
    }
    outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    outcome.took = std::chrono::steady_clock::now() - started_;
    return outcome;
}

World::World() = default;

World::~World() {
    if (!up_) return;
    try {
        down();
    } catch (...) {
    }
    for (const auto pid : node_managers())
        kill(pid, SIGKILL);
}

Background World::start(std::vector<std::string> arguments, const fs::path& directory) const {
    arguments.insert(arguments.begin(), (build_root() / "cli" / "fard").string());
    return Background(arguments, {{"XDG_RUNTIME_DIR", runtime_.path().string()}, {"FARD_NODE", ""}},
                      directory);
}

Outcome World::fard(std::vector<std::string> arguments, std::chrono::milliseconds limit) const {
    return start(std::move(arguments)).wait(limit);
}

void World::up(int boards, std::vector<std::string> more) {
    std::vector<std::string> arguments{"up", "--boards", std::to_string(boards)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto outcome = fard(arguments);
    if (outcome.exit_code != 0) throw std::runtime_error("fard up: " + outcome.err);
    up_ = true;
}

void World::down() {
    up_ = false;
    const auto outcome = fard({"down"});
    if (outcome.exit_code != 0) throw std::runtime_error("fard down: " + outcome.err);
}

std::vector<pid_t> World::node_managers() const {
    std::vector<pid_t> found;
    each_process([&](pid_t pid, const fs::path& process) {
        const auto words = read_file(process / "cmdline");
        const auto name = words.substr(0, words.find('\0'));
        if (!name.ends_with("/fardd") || parent_of(process) < 0) return;
        const auto environment = read_file(process / "environ");
        if (environment.find("XDG_RUNTIME_DIR=" + runtime_.path().string()) != std::string::npos)
            found.push_back(pid);
    });
    return found;
}

std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> found;
    each_process([&](pid_t pid, const fs::path& process) {
        if (parent_of(process) == parent) found.push_back(pid);
    });
    return found;
}

namespace {
std::vector<pid_t> children_that_are(bool parked, pid_t parent) {
    auto children = children_of(parent);
    std::erase_if(children, [&](pid_t child) {
        const auto words = read_file("/proc/" + std::to_string(child) + "/cmdline");
        return (words.find("--parked") != std::string::npos) != parked;
    });
    return children;
}

std::vector<pid_t> of_each(const std::vector<pid_t>& managers, std::vector<pid_t> (*of)(pid_t)) {
    std::vector<pid_t> found;
    for (const auto manager : managers)
        for (const auto process : of(manager))
            found.push_back(process);
    return found;
}
}  // namespace

std::vector<pid_t> jobs_of(pid_t node_manager) {
    return children_that_are(false, node_manager);
}
std::vector<pid_t> parked_of(pid_t node_manager) {
    return children_that_are(true, node_manager);
}
std::vector<pid_t> World::jobs() const {
    return of_each(node_managers(), jobs_of);
}
std::vector<pid_t> World::parked() const {
    return of_each(node_managers(), parked_of);
}

std::size_t open_descriptors(pid_t pid) {
    std::error_code error;
    std::size_t count = 0;
    for (auto entry = fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd", error);
         !error && entry != fs::directory_iterator(); entry.increment(error))
        ++count;
    return count;
}

std::size_t resident_kib(pid_t pid) {
    std::istringstream lines(read_file("/proc/" + std::to_string(pid) + "/status"));
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
    return 0;
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(10ms);
    }
    return true;
}

}  // namespace fard::e2e
