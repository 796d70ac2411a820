#include "tests/soak/lan.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace fard::soak {

std::string output_of(const std::string& command) {
    std::string text;
    FILE* const pipe = ::popen((command + " 2>/dev/null").c_str(), "re");
    if (pipe == nullptr) return text;
    char piece[4096];
    for (std::size_t got = 0; (got = std::fread(piece, 1, sizeof piece, pipe)) > 0;)
        text.append(piece, got);
    ::pclose(pipe);
    return text;
}

namespace {

bool run(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

std::string address(int board) {
    return fmt::format("127.77.1.{}", board == 0 ? 200 : board);
}

}  // namespace

Lan::Lan(int boards, std::filesystem::path state)
    : state_(std::move(state)), pids_(static_cast<std::size_t>(boards) + 1, 0) {}

std::string Lan::name(int board) const {
    return fmt::format("fardsoak{}-{}", ::getpid(), board);
}

std::string Lan::inside(int board) const {
    return "ip netns exec " + name(board) + " ";
}

std::string Lan::door(int board) const {
    return "tcp://" + address(board) + ":7000";
}

Result<std::unique_ptr<Lan>> Lan::make(int boards, const std::filesystem::path& state) {
    std::unique_ptr<Lan> lan(new Lan(boards, state));
    if (auto built = lan->build(); !built) return fail(built.error());
    const int fd = ::open(("/var/run/netns/" + lan->name(0)).c_str(), O_RDONLY | O_CLOEXEC);
    const bool moved = fd >= 0 && ::setns(fd, CLONE_NEWNET) == 0;
    if (fd >= 0) ::close(fd);
    if (!moved) return fail(Fault::io, "cannot enter a network namespace: {}", std::strerror(errno));
    return lan;
}

Result<> Lan::build() {
    const auto bridge = fmt::format("fardsoak{}-sw", ::getpid());
    if (!run("ip netns add " + bridge) || !run("ip -n " + bridge + " link add br0 type bridge") ||
        !run("ip -n " + bridge + " link set br0 up"))
        return fail(Fault::io, "cannot make network namespaces and bridges here");
    for (int i = 0; i <= boards(); ++i) {
        const auto ns = name(i), cable = fmt::format("v{}", i);
        const bool made =
            run("ip netns add " + ns) && run("ip -n " + ns + " link set lo up") &&
            run("ip link add " + cable + " netns " + bridge + " type veth peer name eth0 netns " + ns) &&
            run("ip -n " + bridge + " link set " + cable + " master br0 up") &&
            run(inside(i) + "sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.eth0.route_localnet=1 "
                            "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0") &&
            run("ip -n " + ns + " addr add " + address(i) + "/24 brd + dev eth0") &&
            run("ip -n " + ns + " link set eth0 up") && run("ip -n " + ns + " addr del 127.0.0.1/8 dev lo") &&
            run("ip -n " + ns + " addr add 127.0.0.1/32 dev lo");
        if (!made) return fail(Fault::io, "cannot make the network namespace {}", ns);
    }
    return {};
}

Lan::~Lan() {
    for (const auto pid : pids_) {
        if (pid <= 0) continue;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    for (int i = 0; i <= boards(); ++i)
        run("ip netns del " + name(i));
    run(fmt::format("ip netns del fardsoak{}-sw", ::getpid()));
}

Result<> Lan::start_board(int board, const std::filesystem::path& fardd, int slots) {
    const auto dir = (state_ / fmt::format("s{}", board)).string();
    std::vector<std::string> words{"ip",         "netns",        "exec",       name(board), fardd.string(),
                                   "--name",     fmt::format("n{}", board),    "--state-dir", dir,
                                   "--front-door", door(board),  "--slots",    std::to_string(slots)};
    if (board > 1) words.insert(words.end(), {"--seed", door(1)});
    std::vector<char*> arguments;
    for (auto& word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const auto log = (state_ / fmt::format("log{}", board)).string();
    const pid_t pid = ::fork();
    if (pid < 0) return fail(Fault::io, "cannot start a board: {}", std::strerror(errno));
    if (pid == 0) {
        const int fd = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
        ::dup2(fd, 2);
        ::execvp("ip", arguments.data());
        ::_exit(127);
    }
    pids_.at(static_cast<std::size_t>(board)) = pid;  // `ip netns exec` becomes it
    return {};
}

void Lan::cable(int board, bool in) {
    run(fmt::format("ip -n fardsoak{}-sw link set v{} {}", ::getpid(), board, in ? "up" : "down"));
}

void Lan::cut(int one, int other, bool apart) {
    for (const auto& [from, to] : {std::pair{one, other}, std::pair{other, one}})
        run(fmt::format("ip -n {} route {} blackhole {}/32", name(from), apart ? "add" : "del", address(to)));
}

// A line of `ss -tnpH`: two numbers, both ends, and users:(("fardd",pid=17,fd=3),...).
std::vector<Lan::Connection> Lan::connections(int board) const {
    std::istringstream lines(output_of(inside(board) + "ss -tnpH state established"));
    std::vector<Connection> connections;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string received, sent, users;
        Connection connection;
        if (!(words >> received >> sent >> connection.local >> connection.remote)) continue;
        std::getline(words, users);
        for (auto at = users.find("pid="); at != std::string::npos; at = users.find("pid=", at + 4))
            connection.owners.push_back(std::atoi(users.c_str() + at + 4));
        connections.push_back(std::move(connection));
    }
    return connections;
}

void Lan::reset(int board, const Connection& connection) {
    run(inside(board) + "ss -K src " + connection.local + " dst " + connection.remote);
}

}  // namespace fard::soak
