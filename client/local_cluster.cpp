#include "client/local_cluster.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "base/child_process.hpp"
#include "base/lifetime.hpp"
#include "base/owned_fd.hpp"
#include "client/cluster_files.hpp"
#include "client/private_directory.hpp"
#include "runtime/peer/front_door.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

constexpr auto look_interval = 3ms;     // between two looks at a starting cluster of up to 8 boards
constexpr auto end_interval = 10ms;     // between two looks at an ending one
constexpr auto question_limit = 500ms;  // of one question to a starting node manager
constexpr int lock_descriptor = 9;      // in a detached node manager
constexpr int directory_descriptor = 10;  // there too: the cluster's directory, locked so that cleaners of /tmp leave it alone

// As many free ports of the loopback address. Another process may take one before we do; its node manager
// says so then.
Result<std::vector<std::uint16_t>> free_ports(std::size_t count) {
    std::vector<int> sockets;
    std::vector<std::uint16_t> ports;
    for (std::size_t i = 0; i < count; ++i) {
        sockets.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        if (sockets.back() < 0 || bind(sockets.back(), generic, size) != 0 ||
            getsockname(sockets.back(), generic, &size) != 0)
            break;
        ports.push_back(ntohs(address.sin_port));
    }
    const int error = errno;
    for (const int fd : sockets)
        if (fd >= 0) close(fd);
    if (ports.size() < count) return fail(Fault::io, "no free port on 127.0.0.1: {}", std::strerror(error));
    return ports;
}

std::string tail_of(const fs::path& log) {
    LastWords words;
    std::ifstream lines(log);
    for (std::string line; std::getline(lines, line);)
        words.add(line + "\n");
    return words.text();
}

}  // namespace

struct LocalCluster::Impl {
    struct Board {
        std::string name;
        Address door;
        std::unique_ptr<ChildProcess> child;
        std::optional<ChildExit> exit;
        std::optional<BoardLock> lock;  // until the process has its own
        std::unique_ptr<Visitor> visitor;
        bool ready = false;
        bool asked = false;
        fs::path log;
    };

    Impl(Loop& a_loop, SocketFactory& a_sockets, LocalClusterOptions some_options)
        : loop(a_loop), sockets(a_sockets), options(std::move(some_options)) {}

    ~Impl() {
        loop.cancel(timer);
        loop.cancel(deadline_timer);
        for (auto& board : boards) {
            board.visitor.reset();
            if (options.detached && started_well && board.child) board.child->release();
        }
        boards.clear();  // kills and reaps
        if (options.detached && !started_well && directory_is_ours) remove_cluster_files(directory);
    }

    Result<> prepare();
    Result<> name_boards();
    Result<> launch();
    Result<> launch_one(Board& board);
    void look();
    void ask(Board& board);
    void exited(Board& board, const ChildExit& exit);
    void finish(std::optional<Error> error);

    Loop& loop;
    SocketFactory& sockets;
    LocalClusterOptions options;
    Started started;
    std::unique_ptr<LocalCluster> owner;              // ourselves, until the start is over
    std::unique_ptr<PrivateDirectory> own_directory;  // of an embedded cluster
    fs::path directory;
    bool directory_is_ours = false;  // what lies in it was put there by us
    OwnedFd held_directory;          // of a detached cluster, locked: its boards inherit it
    std::string cluster = random_hex(8);
    std::vector<Board> boards;
    std::vector<Address> doors;
    bool started_well = false;
    Loop::TimerId timer = 0, deadline_timer = 0;
    std::function<void()> stopped;
    Lifetime lifetime;
};

Result<> LocalCluster::Impl::prepare() {
    if (options.fardd.empty()) {
        auto found = find_fardd();
        if (!found) return fail(found.error());
        options.fardd = std::move(*found);
    }
    if (!options.jobs_dirs.empty())  // the list replaces the one that fardd would find
        if (const auto own = find_jobs(options.fardd)) options.jobs_dirs.push_back(*own);
    if (options.boards == 0 || options.boards > most_local_boards)
        return fail(Fault::invalid_input, "a local cluster has 1 to {} boards, not {}", most_local_boards,
                    options.boards);
    if (!options.detached) {
        auto made = PrivateDirectory::make("fard-cluster");
        if (!made) return fail(made.error());
        own_directory = std::move(*made);
        directory = own_directory->path();
        return {};
    }
    directory = options.directory;
    auto locked = lock_cluster_directory(directory);
    if (!locked) return fail(locked.error());
    const auto living = living_boards(directory);
    if (!living.empty())
        return fail(Fault::refused,
                    "a local cluster is up already ({} boards in {}); `fard down` takes it down",
                    living.size(), directory.string());
    if (const auto stranger = stranger_in(directory))
        return fail(Fault::refused,
                    "a node manager that `fard up` did not start lives in {} (process {}); end it, or give it another "
                    "--state-dir",
                    directory.string(), *stranger);
    if (!*locked)
        return fail(Fault::refused, "somebody else starts a local cluster in {} just now, or takes one down; try again",
                    directory.string());
    held_directory = std::move(**locked);
    clear_cluster_files(directory);
    directory_is_ours = true;
    return {};
}

Result<> LocalCluster::Impl::name_boards() {
    std::vector<std::uint16_t> ports;
    if (options.tcp) {
        auto found = free_ports(options.boards);
        if (!found) return fail(found.error());
        ports = std::move(*found);
    }
    boards.resize(options.boards);
    for (std::size_t i = 0; i < boards.size(); ++i) {
        auto& board = boards[i];
        board.name = board_name(i);
        auto endpoint = options.tcp ? Endpoint::tcp("127.0.0.1", ports[i])
                                    : Endpoint::ipc((directory / (board.name + ".ipc")).string());
        if (!endpoint) return fail(endpoint.error());
        board.door = {std::move(*endpoint), {}};
        board.log = directory / (board.name + ".log");
        doors.push_back(board.door);
    }
    return {};
}

// The doors are listed first: should we be killed meanwhile, those that run can be found.
Result<> LocalCluster::Impl::launch() {
    if (options.detached) {
        if (auto listed = list_doors(directory, doors); !listed) return listed;
    }
    for (auto& board : boards)
        if (auto launched = launch_one(board); !launched) return launched;
    return {};
}

Result<> LocalCluster::Impl::launch_one(Board& board) {
    ChildSpec spec;
    spec.program = options.fardd;
    spec.args = {"--name",       board.name,    "--cluster",
                 cluster,        "--state-dir", (directory / board.name).string(),
                 "--front-door", board.door.text()};
    if (&board != &boards.front()) spec.args.insert(spec.args.end(), {"--seed", boards.front().door.text()});
    for (const auto& dir : options.jobs_dirs)
        spec.args.insert(spec.args.end(), {"--jobs-dir", dir.string()});
    if (options.slots)
        spec.args.insert(spec.args.end(), {options.profile.empty() ? "--slots" : "--fabric-slots", std::to_string(options.slots)});
    if (!options.profile.empty()) spec.args.insert(spec.args.end(), {"--profile", options.profile});
    if (&board != &boards.front()) spec.args.insert(spec.args.end(), {"--fabric", "off"});  // this machine has one at most
    if (&board == &boards.front())
        for (const auto& fault : options.faults)
            spec.args.insert(spec.args.end(), {"--fault", fault});
    int log = -1;
    if (options.detached) {
        auto lock = BoardLock::take(directory, board.name);
        if (!lock) return fail(lock.error());
        board.lock = std::move(*lock);
        log = open(board.log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (log < 0) return fail(Fault::io, "cannot write {}: {}", board.log.string(), std::strerror(errno));
        spec.capture_stderr = false;
        spec.die_with_parent = false;
        spec.own_session = true;
        spec.descriptors = {{1, log}, {2, log}, {lock_descriptor, board.lock->fd()}};
        if (held_directory.get() >= 0) spec.descriptors.emplace(directory_descriptor, held_directory.get());
    }
    auto child =
        ChildProcess::start(loop, spec, [this, &board](const ChildExit& exit) { exited(board, exit); });
    if (log >= 0) close(log);
    if (!child) return fail(child.error());
    board.child = std::move(*child);
    if (board.lock) board.lock->write_pid(board.child->pid());
    board.lock.reset();
    return {};
}

// Asks the node managers whom they know, once their sockets are there, until each knows all: the first one, through
// which the others join, until it does, and then the others, who learn it from each other at the same time. An answer
// lists all boards, so the more there are the less often they are asked.
void LocalCluster::Impl::look() {
    timer = 0;
    const bool first_is_ready = boards.front().ready;
    for (auto& board : boards) {
        if (!board.ready && !board.asked) ask(board);
        if (!owner) return;
        if (!first_is_ready) break;
    }
    const bool all =
        std::all_of(boards.begin(), boards.end(), [](const Board& board) { return board.ready; });
    if (all) return finish(std::nullopt);
    const auto steps = std::max<std::size_t>(1, boards.size() / 8);
    timer = loop.call_after(look_interval * static_cast<int>(steps), [this] { look(); });
}

void LocalCluster::Impl::ask(Board& board) {
    if (!board.visitor) {
        std::error_code ignored;
        if (!options.tcp && !fs::exists(board.door.endpoint.path(), ignored)) return;
        auto visitor = Visitor::knock(loop, sockets, PeerId{random_hex(16)}, board.door);
        if (!visitor) return finish(visitor.error());
        board.visitor = std::move(*visitor);
    }
    board.asked = true;
    board.visitor->ask(wire::Query{}, question_limit, [this, &board](Result<wire::Body> answer) {
        board.asked = false;
        const auto* status = answer ? answer->as<wire::Status>() : nullptr;
        if (!status) return;
        const auto known =
            std::count_if(status->boards.begin(), status->boards.end(),
                          [](const wire::BoardRow& row) { return !row.state.devices.empty(); });
        board.ready = known == static_cast<std::ptrdiff_t>(boards.size());
    });
}

void LocalCluster::Impl::exited(Board& board, const ChildExit& exit) {
    board.exit = exit;
    if (owner) {
        const auto words = options.detached ? tail_of(board.log) : board.child->last_words();
        return finish(
            Error{Fault::failed, fmt::format("node manager {} ended while it started ({}){}{}", board.name,
                                             exit.text(), words.empty() ? "" : ": ", words)});
    }
    const bool all_gone =
        std::all_of(boards.begin(), boards.end(), [](const Board& b) { return b.exit.has_value(); });
    if (all_gone && stopped) std::exchange(stopped, nullptr)();
}

// Ends the start. Not from within an answer or an exit of a child, which it would destroy: posted.
void LocalCluster::Impl::finish(std::optional<Error> error) {
    if (!owner) return;
    loop.cancel(std::exchange(timer, 0));
    loop.cancel(std::exchange(deadline_timer, 0));
    auto self = std::make_shared<std::unique_ptr<LocalCluster>>(std::move(owner));
    started_well = !error;
    loop.post([self, error = std::move(error), started = std::move(started)] {
        for (auto& board : (*self)->impl_->boards)
            board.visitor.reset();
        if (!error) return started(std::move(*self));
        self->reset();
        started(fail(*error));
    });
}

LocalCluster::LocalCluster(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalCluster::~LocalCluster() = default;

std::string LocalCluster::board_name(std::size_t number) { return fmt::format("b{}", number); }

const std::vector<Address>& LocalCluster::doors() const {
    return impl_->doors;
}

LocalCluster::Abort LocalCluster::start(Loop& loop, SocketFactory& sockets, LocalClusterOptions options,
                                        Started started) {
    auto owned = std::make_unique<Impl>(loop, sockets, std::move(options));
    auto& impl = *owned;
    impl.owner.reset(new LocalCluster(std::move(owned)));
    impl.started = std::move(started);
    Result<> good = impl.prepare();
    if (good) good = impl.name_boards();
    if (good) good = impl.launch();
    auto abort = impl.lifetime.guarded([&impl](const Error& why) { impl.finish(why); });
    if (!good) {
        impl.finish(good.error());
        return abort;
    }
    impl.deadline_timer = loop.call_after(impl.options.ready_within, [&impl] {
        std::string missing;
        for (const auto& board : impl.boards)
            if (!board.ready) missing += (missing.empty() ? "" : ", ") + board.name;
        impl.finish(
            Error{Fault::timed_out,
                  fmt::format("the local cluster was not ready within {:.0f} s: {} did not find all others",
                              std::chrono::duration<double>(impl.options.ready_within).count(), missing)});
    });
    impl.look();
    return abort;
}

void LocalCluster::stop(Duration limit, std::function<void()> stopped) {
    auto& impl = *impl_;
    bool running = false;
    for (auto& board : impl.boards) {
        if (board.exit || !board.child) continue;
        running = true;
        board.child->kill(SIGTERM);
    }
    if (!running) return impl.loop.post(std::move(stopped));
    impl.stopped = std::move(stopped);
    impl.deadline_timer = impl.loop.call_after(limit, [&impl] {
        for (auto& board : impl.boards)
            if (!board.exit && board.child) board.child->kill(SIGKILL);
    });
}

namespace {

// SIGTERM to the process, by a descriptor, so that it meets nobody else.
void ask_to_end(const LivingBoard& board, const fs::path& directory) {
    const OwnedFd process(static_cast<int>(syscall(SYS_pidfd_open, board.pid, 0)));
    if (process.get() < 0) return;
    const auto still = living_boards(directory);  // the number is its own as long as it is there
    const bool same = std::any_of(still.begin(), still.end(), [&](const LivingBoard& one) {
        return one.name == board.name && one.pid == board.pid;
    });
    if (same) syscall(SYS_pidfd_send_signal, process.get(), SIGTERM, nullptr, 0);
}

std::string names_and_processes(const std::vector<LivingBoard>& boards) {
    std::string text;
    for (const auto& board : boards)
        text += fmt::format("{}{} (process {})", text.empty() ? "" : ", ", board.name, board.pid);
    return text;
}

}  // namespace

Result<std::size_t> take_down_cluster(const fs::path& directory, Duration limit) {
    const auto checked = check_cluster_directory(directory, false);
    if (!checked && checked.error().fault != Fault::not_found) return fail(checked.error());
    const auto at_first = living_boards(directory);
    const auto stranger = checked ? stranger_in(directory) : std::nullopt;
    if (at_first.empty() && stranger)
        return fail(Fault::refused,
                    "the node manager in {} (process {}) was not started by `fard up`; `fard down --node {}` ends it",
                    directory.string(), *stranger, (directory / "node.ipc").string());
    if (at_first.empty() && !checked)
        return fail(Fault::unreachable, "no local cluster is up ({} is not there)", directory.string());
    const auto deadline = std::chrono::steady_clock::now() + limit;
    std::set<pid_t> asked;
    auto left = at_first;
    for (; !left.empty() && std::chrono::steady_clock::now() < deadline; left = living_boards(directory)) {
        for (const auto& board : left)
            if (board.pid > 0 && asked.insert(board.pid).second) ask_to_end(board, directory);
        std::this_thread::sleep_for(end_interval);
    }
    if (!left.empty())
        return fail(Fault::timed_out,
                    "these node managers did not end within {:.0f} s: {}; `kill -9` ends them",
                    std::chrono::duration<double>(limit).count(), names_and_processes(left));
    remove_cluster_files(directory);
    if (at_first.empty())
        return fail(Fault::unreachable, "no local cluster is up; leftovers in {} were removed",
                    directory.string());
    return at_first.size();
}

}  // namespace fard
