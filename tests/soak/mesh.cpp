// Many real node managers on this machine over tcp, which join, leave and are killed: how soon each knows of it, what
// they cost at rest, and whether one is taken for gone that is not.
//
//   soak-mesh [--boards 64] [--minutes 5] [--within 2] [--seed S] [--keys] [--argument ARG]...
//
// What a node manager knows is read from its log ("board X joined", "board X is gone"), so that looking costs it nothing.
// `--keys`: each has a key, and knows those of all. `--argument` is passed on to each fardd. Exit code 1 if a bar is
// missed: all know all within 3 s, each event within `--within` seconds, no false loss, less than 1 % of a core each at
// rest; then the logs of all are kept, and it is said where.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "client/cluster_files.hpp"
#include "client/local_cluster.hpp"
#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/keys.hpp"

extern char** environ;

namespace {

using namespace fard;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct Settings {
    int boards = 64;
    double minutes = 5, within_s = 2;
    unsigned seed = 1;
    bool keys = false;
    std::vector<std::string> arguments;
};

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Below those that the kernel gives to the thousands of connections of the campaign, which would take it meanwhile.
std::uint16_t free_port() {
    static std::uint16_t next = 20000;
    for (;; ++next) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(next);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        close(fd);
        if (bound) return next++;
        if (next > 32000) std::abort();
    }
}

// The key directories of all boards that there will be, made beforehand: what is measured is the mesh.
class Keys {
  public:
    bool make(const std::filesystem::path& directory, std::size_t boards) {
        std::vector<wire::AllowedKey> all;
        for (std::size_t i = 0; i < boards; ++i) {
            const auto name = "n" + std::to_string(i);
            const auto pair = KeyPair::make();
            places_.push_back({directory / "keys" / name, pair.public_key.hex});
            std::filesystem::create_directories(places_.back().directory);
            std::filesystem::permissions(places_.back().directory, std::filesystem::perms::owner_all);
            if (!pair.write(places_.back().directory / "key")) return false;
            all.push_back({pair.public_key, static_cast<std::uint8_t>(Role::node), name, false});
        }
        const auto ring = KeyRing::open(directory / "allowed");
        if (!ring) return false;
        (*ring)->merge(all);
        if (!(*ring)->keep()) return false;
        for (const auto& place : places_)
            std::filesystem::copy_file(directory / "allowed", place.directory / "allowed");
        return true;
    }
    struct Place {
        std::filesystem::path directory;
        std::string public_key;
    };
    Place of(std::size_t board) const { return board < places_.size() ? places_[board] : Place{}; }

  private:
    std::vector<Place> places_;
};

// One node manager, and whom it says it knows.
class Board {
  public:
    Board(const std::string& fardd, const std::filesystem::path& directory, std::string name, const std::string& seed,
          const Keys::Place& keys, const std::vector<std::string>& more)
        : name_(std::move(name)), door_("tcp://127.0.0.1:" + std::to_string(free_port())), kept_(directory / (name_ + ".log")) {
        std::vector<std::string> arguments{fardd,         "--name",       name_,
                                           "--cluster",   "soak",         "--state-dir",
                                           (directory / name_).string(),  "--front-door",
                                           door_,         "--log-level",  "info"};
        if (!seed.empty()) arguments.insert(arguments.end(), {"--seed", seed});
        if (!keys.public_key.empty()) {
            arguments.insert(arguments.end(), {"--keys", keys.directory.string()});
            door_ += "#" + keys.public_key;
        }
        arguments.insert(arguments.end(), more.begin(), more.end());
        std::vector<char*> raw;
        for (auto& argument : arguments)
            raw.push_back(argument.data());
        raw.push_back(nullptr);
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
        if (posix_spawn(&pid_, fardd.c_str(), &actions, nullptr, raw.data(), environ) != 0) std::abort();
        posix_spawn_file_actions_destroy(&actions);
        close(ends[1]);
        log_ = ends[0];
        fcntl(log_, F_SETFL, O_NONBLOCK);
    }
    ~Board() {
        end(SIGKILL);
        close(log_);
    }
    Board(const Board&) = delete;
    Board& operator=(const Board&) = delete;

    void end(int signal) {
        if (!lives_) return;
        lives_ = false;
        kill(pid_, signal);
        waitpid(pid_, nullptr, 0);
    }

    // The losses that it tells of are given to `lost`.
    template <typename Lost>
    void read(Lost lost) {
        char bytes[4096];
        for (ssize_t count; (count = ::read(log_, bytes, sizeof bytes)) > 0;) {
            kept_.write(bytes, count);
            text_.append(bytes, static_cast<std::size_t>(count));
            for (std::size_t end; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1))
                take(text_.substr(0, end), lost);
        }
    }

    double cpu_s() const {
        std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
        std::string text;
        std::getline(file, text);
        std::istringstream fields(text.substr(text.rfind(')') + 2));
        std::string skipped;
        for (int i = 0; i < 11; ++i)
            fields >> skipped;
        double user = 0, system = 0;
        fields >> user >> system;
        return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
    }
    std::size_t descriptors() const {
        std::error_code ignored;
        const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid_) + "/fd", ignored);
        return static_cast<std::size_t>(std::distance(begin(all), end_of(all)));
    }

    bool lives() const { return lives_; }
    int log() const { return log_; }
    const std::string& name() const { return name_; }
    const std::string& door() const { return door_; }  // with its key, if it has one
    const std::set<std::string>& known() const { return known_; }

  private:
    static std::filesystem::directory_iterator end_of(const std::filesystem::directory_iterator&) { return {}; }

    template <typename Lost>
    void take(const std::string& line, Lost lost) {
        const auto begin = line.find("board ");
        if (begin == std::string::npos || line.find("mesh") == std::string::npos) return;
        std::istringstream words(line.substr(begin + 6));
        std::string name, verb;
        words >> name >> verb;
        if (verb == "joined") known_.insert(name);
        if (verb == "is" && known_.erase(name) != 0) lost(name, line);
    }

    std::string name_, door_, text_;
    std::ofstream kept_;
    pid_t pid_ = 0;
    int log_ = -1;
    bool lives_ = true;
    std::set<std::string> known_;
};

class Campaign {
  public:
    Campaign(Settings settings, std::string fardd)
        : settings_(std::move(settings)), fardd_(std::move(fardd)), random_(settings_.seed) {
        char name[] = "/tmp/fard-soak-XXXXXX";
        if (mkdtemp(name) == nullptr) std::abort();
        directory_ = name;
    }
    ~Campaign() {
        boards_.clear();
        if (good_) std::filesystem::remove_all(directory_);
        else std::printf("the logs are kept: %s/n*.log\n", directory_.c_str());
    }

    bool run() {
        if (settings_.keys && !keys_.make(directory_, static_cast<std::size_t>(settings_.boards) + most_newcomers)) return false;
        bool good = start();
        good = rest() && good;
        const auto end = Clock::now() + std::chrono::duration<double>(settings_.minutes * 60);
        while (Clock::now() < end) good = event() && good;
        std::printf("%d events, slowest known to all after %.2f s; %d false losses\n", events_, slowest_, false_losses_);
        good_ = good && false_losses_ == 0;
        return good_;
    }

  private:
    static constexpr std::size_t most_newcomers = 300;  // in the minutes of a campaign

    Board& add(const std::string& seed) {
        const auto name = "n" + std::to_string(boards_.size());
        boards_.push_back(
            std::make_unique<Board>(fardd_, directory_, name, seed, keys_.of(boards_.size()), settings_.arguments));
        return *boards_.back();
    }

    bool start() {
        const auto begin = Clock::now();
        const auto seed = add("").door();
        for (int i = 1; i < settings_.boards; ++i)
            add(seed);
        const double started = seconds_since(begin);
        const bool good = converge(60);
        const double took = seconds_since(begin);
        std::printf("%d boards: all know all %.2f s after the first was started, %.2f s after the last\n", settings_.boards,
                    took, took - started);
        std::fflush(stdout);
        return good && took - started < 3;
    }

    bool rest() {
        look_for(5s);
        const auto cpu = [&] {
            double all = 0;
            for (const auto& board : boards_)
                all += board->cpu_s();
            return all;
        };
        const double before = cpu();
        const auto begin = Clock::now();
        look_for(10s);
        const double share = (cpu() - before) / seconds_since(begin) / settings_.boards;
        std::size_t most = 0;
        for (const auto& board : boards_)
            most = std::max(most, board->descriptors());
        std::printf("at rest: %.2f %% of a core each, at most %zu descriptors\n", share * 100, most);
        std::fflush(stdout);
        return share < 0.01;
    }

    // One board joins, leaves or is killed; all must know within the limit.
    bool event() {
        look_for(std::chrono::milliseconds(500 + random_() % 2500));
        std::vector<Board*> living;
        for (const auto& board : boards_)
            if (board->lives()) living.push_back(board.get());
        auto& chosen = *living[random_() % living.size()];
        const bool full = living.size() >= static_cast<std::size_t>(settings_.boards);
        const char* what = "joins";
        std::string who;
        const auto begin = Clock::now();
        if (!full) {
            who = add(chosen.door()).name();
        } else {
            const bool killed = random_() % 2 != 0;
            what = killed ? "is killed" : "leaves";
            who = chosen.name();
            chosen.end(killed ? SIGKILL : SIGTERM);
        }
        const bool good = converge(std::max(10.0, settings_.within_s));
        const double took = seconds_since(begin);
        ++events_;
        slowest_ = std::max(slowest_, took);
        std::printf("%s %s: known to all after %.2f s%s\n", who.c_str(), what, took, good ? "" : " NOT");
        std::fflush(stdout);
        return good && took <= settings_.within_s;
    }

    // Numbers first: this is asked a hundred times each second, beside the boards on the same cores.
    bool agreed() const {
        const auto alive = static_cast<std::size_t>(
            std::count_if(boards_.begin(), boards_.end(), [](const auto& board) { return board->lives(); }));
        for (const auto& board : boards_)
            if (board->lives() && board->known().size() + 1 != alive) return false;
        std::set<std::string> living;
        for (const auto& board : boards_)
            if (board->lives()) living.insert(board->name());
        for (const auto& board : boards_)
            if (board->lives() &&
                !std::includes(living.begin(), living.end(), board->known().begin(), board->known().end()))
                return false;
        return true;
    }

    bool converge(double limit_s) {
        const auto begin = Clock::now();
        while (!agreed()) {
            if (seconds_since(begin) > limit_s) return complain();
            look(20ms);
        }
        return true;
    }

    bool complain() const {
        for (const auto& board : boards_)
            if (board->lives()) std::printf("  %s knows %zu others\n", board->name().c_str(), board->known().size());
        return false;
    }

    void look_for(Clock::duration duration) {
        const auto end = Clock::now() + duration;
        while (Clock::now() < end) look(50ms);
    }

    void look(std::chrono::milliseconds patience) {
        std::vector<pollfd> logs;
        std::vector<Board*> readers;
        for (const auto& board : boards_) {
            if (!board->lives()) continue;
            logs.push_back({board->log(), POLLIN, 0});
            readers.push_back(board.get());
        }
        std::this_thread::sleep_for(10ms);  // many lines at once instead of a wake for each
        poll(logs.data(), logs.size(), static_cast<int>(patience.count()));
        for (std::size_t i = 0; i < logs.size(); ++i)
            if (logs[i].revents != 0)
                readers[i]->read([&](const std::string& name, const std::string& line) { lost(*readers[i], name, line); });
    }

    void lost(const Board& by, const std::string& name, const std::string& line) {
        for (const auto& board : boards_) {
            if (board->name() != name || !board->lives()) continue;
            ++false_losses_;
            std::printf("FALSE LOSS at %s: %s\n", by.name().c_str(), line.c_str());
        }
    }

    Settings settings_;
    Keys keys_;
    std::string fardd_;
    std::filesystem::path directory_;
    std::vector<std::unique_ptr<Board>> boards_;
    std::mt19937 random_;
    int events_ = 0, false_losses_ = 0;
    double slowest_ = 0;
    bool good_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    namespace po = boost::program_options;
    Settings settings;
    po::options_description options;
    options.add_options()("boards", po::value(&settings.boards))("minutes", po::value(&settings.minutes))(
        "within", po::value(&settings.within_s))("seed", po::value(&settings.seed))("keys", po::bool_switch(&settings.keys))("argument",
                                                                                     po::value(&settings.arguments));
    po::variables_map given;
    try {
        po::store(po::parse_command_line(argc, argv, options), given);
        po::notify(given);
    } catch (const po::error& error) {
        std::fprintf(stderr, "soak-mesh: %s\n", error.what());
        return 2;
    }
    const auto fardd = find_fardd();
    if (!fardd) return std::fprintf(stderr, "soak-mesh: %s\n", fardd.error().message.c_str()), 2;
    signal(SIGPIPE, SIG_IGN);
    return Campaign(settings, fardd->string()).run() ? 0 : 1;
}
