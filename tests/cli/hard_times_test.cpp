// The real `fard` and `fardd` where little goes right: closed and full descriptors, signals at bad moments, killed parents,
// files that somebody removed.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "tests/e2e/harness.hpp"

using namespace fard::e2e;
using namespace std::chrono_literals;

namespace {

bool says(const Outcome& outcome, const std::string& part) {
    return outcome.err.find(part) != std::string::npos;
}

std::string fardd() {
    return (build_root() / "runtime/node_manager/fardd").string();
}

// A shell script in the world of a user; $fard, $fardd and $dir (the runtime directory) are set.
Background shell(const World& world, const std::string& script, std::map<std::string, std::string> more = {}) {
    more.insert({{"XDG_RUNTIME_DIR", world.directory().string()},
                 {"FARD_NODE", ""},
                 {"dir", world.directory().string()},
                 {"fard", (build_root() / "cli" / "fard").string()},
                 {"fardd", fardd()}});
    return Background({"/bin/bash", "-c", script}, more);
}

// A node manager that was started by hand, until the end of the test.
struct ByHand {
    ByHand(const World& world, const std::string& before, const std::string& options)
        : door((world.directory() / "s" / "node.ipc").string()),
          process(shell(world, "exec " + before + " $fardd --name mine " + options)) {
        REQUIRE(eventually([&] { return world.fard({"status", "--node", door}).exit_code == 0; }, 10s));
    }
    bool ends_on(int number) {
        process.signal(number);
        return process.wait(std::chrono::minutes(3)).exit_code == 0;
    }
    std::string door;
    Background process;
};

std::string copy_app(const World& world, const std::string& params, int chunks) {
    return world.files()
        .write("app.toml",
               "[app]\nname = \"a\"\n[input]\nrandom_chunks = " + std::to_string(chunks) +
                   "\n[[input.tensor]]\nname = \"bytes\"\nshape = [1, 64]\ntype = \"UINT8\"\n[pipeline]\n"
                   "[[pipeline.position]]\nname = \"p\"\njob = \"test_faulty\"\nparams = { " + params + " }\n")
        .string();
}

}  // namespace

TEST_CASE("output that nobody takes ends a command with an exit code, never by abort") {
    const World world;
    CHECK(shell(world, "$fard --help > /dev/full").wait().exit_code == 1);
    CHECK(shell(world, "$fard submit --help > /dev/full").wait().exit_code == 1);
    CHECK(shell(world, "$fard nonsense 2> /dev/full").wait().exit_code == 2);
    CHECK(shell(world, "$fard status 2> /dev/full").wait().exit_code == 3);
    CHECK(shell(world, "$fard submit /no/such.toml <&- >&- 2>&-").wait().exit_code == 2);
    const auto full = shell(world, "$fard --version > /dev/full").wait();
    CHECK_MESSAGE(says(full, "No space left on device"), full.err);
    CHECK(shell(world, "$fardd --help > /dev/full").wait().exit_code == 1);
    CHECK(shell(world, "$fardd --nonsense 2> /dev/full").wait().exit_code == 2);
    // A reader that has gone: by SIGPIPE, as every other program.
    const auto gone = shell(world, "($fard --help; echo $? >&2) | true").wait();
    CHECK_MESSAGE((gone.err == "141\n" || gone.err == "0\n"), gone.err);
}

TEST_CASE("everything closed: up starts its boards, down ends them") {
    const World world;
    CHECK(shell(world, "$fard up --boards 2 <&- >&- 2>&-").wait().exit_code == 0);
    CHECK(world.node_managers().size() == 2);
    CHECK(shell(world, "$fard down <&- >&- 2>&-").wait().exit_code == 0);
    CHECK(world.node_managers().empty());
}

TEST_CASE("Ctrl-C while a local cluster starts: over at once, nothing is left") {
    const World world;
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        auto up = world.start({"up", "--boards", "16"});
        REQUIRE(eventually([&] { return fs::exists(world.directory() / "fard" / "b0.ipc"); }, 20s));
        up.signal(number);
        const auto outcome = up.wait(30s);
        if (outcome.exit_code == 0) {  // it was faster
            world.fard({"down"});
            continue;
        }
        CHECK(outcome.exit_code == 1);
        CHECK_MESSAGE(says(outcome, "interrupted"), outcome.err);
        CHECK(eventually([&] { return world.node_managers().empty(); }, 5s));
        CHECK(!fs::exists(world.directory() / "fard"));
    }
}

TEST_CASE("up is killed while it starts its boards: down finds them") {
    const World world;
    {
        auto up = world.start({"up", "--boards", "12"});
        REQUIRE(eventually([&] { return fs::exists(world.directory() / "fard" / "b2.lock"); }, 20s));
        up.signal(SIGKILL);
        up.wait(10s);
    }
    CHECK(!world.node_managers().empty());
    const auto down = world.fard({"down", "--timeout", "30"});
    CHECK_MESSAGE(down.exit_code == 0, down.err);
    CHECK(world.node_managers().empty());
}

TEST_CASE("up --tcp, then down") {
    World world;
    world.up(2, {"--tcp"});
    CHECK(world.fard({"down"}).exit_code == 0);
    CHECK(world.node_managers().empty());
}

TEST_CASE("a cluster whose plain files were cleaned away is still found and ended") {
    for (const std::string transport : {"--slots=1", "--tcp"}) {
        World world;
        world.up(2, {transport});
        const auto directory = world.directory() / "fard";
        for (const auto& entry : fs::directory_iterator(directory))
            if (entry.is_regular_file()) fs::remove(entry.path());
        if (transport != "--tcp") CHECK(world.fard({"status"}).exit_code == 0);
        const auto down = world.fard({"down"});
        CHECK_MESSAGE(down.exit_code == 0, down.err);
        CHECK(world.node_managers().empty());
    }
    World world;
    world.up(2);
    fs::remove_all(world.directory() / "fard");
    CHECK(world.fard({"down"}).exit_code == 0);
    CHECK(world.node_managers().empty());
}

TEST_CASE("up and down leave a node manager alone that was started by hand") {
    const World world;
    auto mine = shell(world, "exec $fardd --name mine --state-dir $dir/fard");
    REQUIRE(eventually([&] { return world.fard({"status"}).exit_code == 0; }, 10s));
    const auto down = world.fard({"down"});
    CHECK(down.exit_code == 1);
    CHECK_MESSAGE(says(down, std::to_string(mine.pid())), down.err);
    CHECK_MESSAGE(says(down, "fard down --node"), down.err);
    const auto up = world.fard({"up", "--boards", "1"});
    CHECK(up.exit_code == 1);
    CHECK_MESSAGE(says(up, std::to_string(mine.pid())), up.err);
    CHECK(world.fard({"status"}).out.find("\nmine ") != std::string::npos);
    mine.signal(SIGTERM);
    CHECK(mine.wait(10s).exit_code == 0);
}

TEST_CASE("fardd ends on SIGTERM though its parent blocked or ignored the signals") {
    const World world;
    for (const std::string before : {"env --block-signal=TERM", "env --ignore-signal=TERM", "env --ignore-signal=CHLD"}) {
        ByHand board(world, before, "--state-dir $dir/s");
        CHECK(board.ends_on(SIGTERM));
    }
}

TEST_CASE("a job that is killed says by what, though fardd's parent ignored SIGCHLD") {
    const World world;
    ByHand board(world, "env --ignore-signal=CHLD", "--state-dir $dir/s");
    const auto run = world.fard({"submit", copy_app(world, "kill_at = 2", 5), "--node", board.door});
    CHECK(run.exit_code == 1);
    CHECK_MESSAGE(says(run, "SIGKILL"), run.err);
}

TEST_CASE("fardd --die-with-parent whose parent has ended while it started ends too") {
    const World world;
    const auto outcome =
        shell(world, "setsid sh -c '$fardd --die-with-parent --name x --state-dir $dir/s & echo $!'").wait();
    const auto pid = static_cast<pid_t>(std::stol(outcome.out));
    CHECK(eventually([&] { return kill(pid, 0) != 0; }, 10s));
}

TEST_CASE("fardd whose log nobody reads serves, and ends") {
    const World world;
    REQUIRE(shell(world, "mkfifo $dir/log").wait().exit_code == 0);
    auto reader = shell(world, "exec sleep 100 < $dir/log");
    ByHand board(world, "", "--state-dir $dir/s --log-level trace 2> $dir/log");
    const int pipe = open((world.directory() / "log").c_str(), O_WRONLY | O_NONBLOCK);
    REQUIRE(pipe >= 0);
    while (write(pipe, "x", 1) == 1) {
    }
    CHECK(world.fard({"submit", copy_app(world, "slow_ms = 0", 5), "--node", board.door}).exit_code == 0);
    CHECK(world.fard({"status", "--node", board.door}).exit_code == 0);
    CHECK(board.ends_on(SIGTERM));
    close(pipe);
}

TEST_CASE("fardd raises its limit of open files") {
    const World world;
    auto board = shell(world, "ulimit -Sn 64; exec $fardd --name mine --state-dir $dir/s");
    const auto door = (world.directory() / "s" / "node.ipc").string();
    REQUIRE(eventually([&] { return world.fard({"status", "--node", door}).exit_code == 0; }, 10s));
    const auto limits = read_file("/proc/" + std::to_string(board.pid()) + "/limits");
    const auto line = limits.substr(limits.find("Max open files"));
    CHECK_MESSAGE(std::stoul(line.substr(14)) > 64, line.substr(0, line.find('\n')));
}

TEST_CASE("a TMPDIR that is too long for sockets does not matter") {
    const World world;
    const auto place = world.files().path() / std::string(100, 'x');
    fs::create_directory(place);
    const auto run = shell(world, "$fard submit " + copy_app(world, "slow_ms = 0", 3), {{"TMPDIR", place.string()}}).wait();
    CHECK_MESSAGE(run.exit_code == 0, run.err);
}

TEST_CASE("an address at which nobody answers is told apart: no socket, not allowed, nobody listens, a directory") {
    const World world;
    const auto at = [&](const std::string& path) { return world.fard({"status", "--node", path}); };
    const auto missing = at((world.directory() / "nowhere.ipc").string());
    CHECK(missing.exit_code == 3);
    CHECK_MESSAGE(says(missing, "there is no socket"), missing.err);
    CHECK_MESSAGE(says(at(world.directory().string()), "is a directory"), "");
    const auto stale = (world.directory() / "stale.ipc").string();
    {
        const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        stale.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        close(fd);
    }
    CHECK_MESSAGE(says(at(stale), "nobody listens"), at(stale).err);
    CHECK_MESSAGE(says(at("tcp://127.0.0.1:9"), "refused"), at("tcp://127.0.0.1:9").err);
    CHECK_MESSAGE(says(at("no-such-host.invalid:7000"), "no-such-host.invalid"), at("no-such-host.invalid:7000").err);
    if (geteuid() != 0) return;  // only root can be somebody else
    fs::permissions(world.directory(), fs::perms(0755));
    auto board = shell(world, "exec $fardd --name mine --state-dir $dir/s --front-door ipc://$dir/n.ipc");
    const auto door = (world.directory() / "n.ipc").string();
    REQUIRE(eventually([&] { return at(door).exit_code == 0; }, 10s));
    const auto denied = shell(world, "exec setpriv --reuid nobody --regid nogroup --clear-groups $fard status --node $dir/n.ipc").wait();
    CHECK_MESSAGE((says(denied, "may not open") || denied.exit_code == 127 || says(denied, "setpriv")), denied.err);
}

TEST_CASE("Ctrl-C on fard run leaves nothing behind") {
    const World world;
    const auto out = world.files().path() / "o", tmp = world.files().path() / "t";
    fs::create_directories(out);
    fs::create_directories(tmp);
    const auto apps = source_root() / "apps" / "two_stage_bnn";
    auto run = shell(world,
                     "cd " + out.string() + "; exec $fard run " + (apps / "cnv_w2a2.onnx").string() +
                         " --device reference --input " + (apps / "images").string() + " --output r.npy",
                     {{"TMPDIR", tmp.string()}});
    REQUIRE(eventually([&] { return !fs::is_empty(tmp); }, 20s));
    run.signal(SIGINT);
    const auto outcome = run.wait(10s);
    CHECK(outcome.exit_code == 1);
    CHECK(fs::is_empty(out));
    CHECK(fs::is_empty(tmp));
}

TEST_CASE("a full disk of --output ends the run when it is full, not at its end") {
    const World world;
    if (geteuid() != 0) return;
    // 256 chunks of 64 bytes fill the disk after 64, and take 25 s in all.
    const auto run = shell(world,
                           "unshare -m true 2>/dev/null || exit 77; exec unshare -m bash -c 'mkdir $dir/small && mount -t tmpfs -o size=4k tmpfs "
                           "$dir/small && exec $fard submit " +
                               copy_app(world, "slow_ms = 100", 256) + " --output $dir/small/o.npy'")
                         .wait();
    if (run.exit_code == 77) return;
    CHECK(run.exit_code == 1);
    CHECK_MESSAGE(says(run, "No space left on device"), run.err);
    CHECK(run.took < 20s);
}
