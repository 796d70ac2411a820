// Clusters with keys on loopback: tickets that were used, joins that were broken off, keys that were revoked or copied, and clusters
// that end in the middle of a run.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>
#include <fstream>

#include "tests/e2e/harness.hpp"
#include "tests/has.hpp"

using namespace fard::e2e;
using namespace std::chrono_literals;

namespace {

std::string free_address() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ::close(fd);
    return "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

// A user's or a board's key directory, and commands as who has it.
struct Place {
    Place(const World& the_world, const std::string& name) : world(the_world), keys(the_world.files().path() / name) {}
    std::map<std::string, std::string> environment() const {
        return {{"XDG_RUNTIME_DIR", world.directory().string()}, {"FARD_NODE", ""}, {"FARD_KEYS", keys.string()},
                {"fard", (build_root() / "cli" / "fard").string()}, {"fardd", (build_root() / "runtime/node_manager/fardd").string()},
                {"keys", keys.string()}, {"dir", world.files().path().string()}};
    }
    Background start(const std::string& script) const { return Background({"/bin/bash", "-c", script}, environment()); }
    Outcome run(const std::string& script) const { return start(script).wait(60s); }
    Background board(const std::string& more = "") const {
        return start("exec $fardd --config $keys/fardd.toml --state-dir $dir/state-" + keys.filename().string() + " " + more);
    }
    bool sees(std::size_t boards) const {
        return eventually([&] {
            const auto status = run("exec $fard status --json").json();
            return status.is_object() && status["boards"].size() == boards && !status["boards"][0]["devices"].empty();
        }, 20s);
    }

    const World& world;
    fs::path keys;
};

std::string init(const Place& place, const std::string& address) {
    fs::remove_all(place.keys);
    const auto made = place.run("mkdir -m 700 $keys && exec $fard init --name zed1 --front-door " + address);
    REQUIRE_MESSAGE(made.exit_code == 0, made.err);
    return made.out;
}

std::string ticket(const Place& place) {
    const auto made = place.run("exec $fard keys ticket");
    REQUIRE_MESSAGE(made.exit_code == 0, made.err);
    return made.out.substr(0, made.out.find('\n'));
}

std::string join(const std::string& line) {
    return "mkdir -p -m 700 $keys; exec $fard join --name ann <<< '" + line + "'";
}

std::string slow_app(const World& world, const std::string& more = "") {
    return world.files()
        .write("slow.toml",
               "[app]\nname = \"a\"\n[input]\nrandom_chunks = 4000\n[[input.tensor]]\nname = \"bytes\"\nshape = [1, 64]\ntype = \"UINT8\"\n"
               "[pipeline]\n[[pipeline.position]]\nname = \"p\"\njob = \"test_faulty\"\nparams = { slow_ms = 20 }\n" + more)
        .string();
}

bool some_results(const std::function<nlohmann::json()>& status) {
    return eventually([&] {
        const auto now = status();
        return now.is_object() && !now["runs"].empty() && now["runs"][0]["results"] > 20;
    }, 20s);
}

}  // namespace

TEST_CASE("a ticket that was used or has expired is told so at once, and to its bearer alone") {
    const World world;
    const Place a(world, "a"), ann(world, "ann"), bob(world, "bob"), cay(world, "cay");
    const auto address = free_address();
    const auto expired = init(a, address);
    const auto allowed = a.keys / "allowed";
    auto text = read_file(allowed);
    const auto at = text.find(" node ", text.find("ticket ")) + 6;
    text.replace(at, text.find('\n', at) - at, std::to_string(std::time(nullptr) - 60));
    std::ofstream(allowed) << text;
    const auto board = a.board();
    REQUIRE(a.sees(1));

    const auto late = bob.run("mkdir -m 700 $keys; exec $fard join --front-door tcp://127.0.0.1:9 --name zed2 <<< '" +
                              expired.substr(0, expired.find('\n')) + "'");
    CHECK(late.exit_code == 1);
    CHECK_MESSAGE(has(late.err, "this ticket expired "), late.err);
    const auto line = ticket(a);
    REQUIRE(ann.run(join(line)).exit_code == 0);
    const auto second = cay.run(join(line));
    CHECK(second.exit_code == 1);
    CHECK_MESSAGE(has(second.err, "this ticket was used "), second.err);
    CHECK(second.took < 8s);  // it is not waited for an answer that does not come
    CHECK_FALSE(fs::exists(cay.keys / "key"));
    CHECK_FALSE(fs::exists(cay.keys / "key.joining"));
    CHECK(ann.run("exec $fard status").exit_code == 0);
}

TEST_CASE("a join that was broken off goes on with its key, whether the cluster had let it in or not") {
    const World world;
    const Place a(world, "a"), ann(world, "ann");
    init(a, free_address());
    const auto board = a.board();
    REQUIRE(a.sees(1));
    const auto line = ticket(a);
    board.signal(SIGSTOP);  // no answer comes
    auto broken = ann.start(join(line));
    REQUIRE(eventually([&] { return fs::exists(ann.keys / "key.joining") && fs::exists(ann.keys / "nodes"); }, 20s));
    broken.signal(SIGINT);
    broken.wait(20s);
    board.signal(SIGCONT);
    CHECK_FALSE(fs::exists(ann.keys / "key"));
    const auto begun = read_file(ann.keys / "key.joining");
    REQUIRE_FALSE(begun.empty());

    const auto resumed = ann.run(join(line));
    CHECK_MESSAGE(resumed.exit_code == 0, resumed.err);
    CHECK_MESSAGE(has(resumed.err, "going on with the join that was broken off"), resumed.err);
    CHECK(read_file(ann.keys / "key") == begun);
    CHECK(ann.run("exec $fard status").exit_code == 0);

    fs::rename(ann.keys / "key", ann.keys / "key.joining");  // as if the answer had not been heard
    const auto again = ann.run(join(line));
    CHECK_MESSAGE(again.exit_code == 0, again.err);
    CHECK(read_file(ann.keys / "key") == begun);
    const auto keys = a.run("exec $fard keys list").out;
    CHECK_MESSAGE(keys.find(" ann") == keys.rfind(" ann"), keys);
}

TEST_CASE("a key that is revoked in the middle of a run ends it at once, and says why") {
    const World world;
    const Place a(world, "a"), ann(world, "ann");
    init(a, free_address());
    const auto board = a.board();
    REQUIRE(a.sees(1));
    REQUIRE(ann.run(join(ticket(a))).exit_code == 0);
    auto submitted = ann.start("exec $fard submit " + slow_app(world));
    REQUIRE(some_results([&] { return a.run("exec $fard status --json").json(); }));
    REQUIRE(a.run("exec $fard keys revoke --key ann").exit_code == 0);
    const auto began = std::chrono::steady_clock::now();
    const auto ended = submitted.wait(60s);
    CHECK(std::chrono::steady_clock::now() - began < 8s);
    CHECK(ended.exit_code == 1);
    CHECK_MESSAGE(has(ended.err, "was revoked"), ended.err);
    CHECK_MESSAGE(has(ended.err, " of 4000 results had come"), ended.err);
    const auto status = ann.run("exec $fard status");
    CHECK(status.exit_code == 1);
    CHECK_MESSAGE(has(status.err, "was revoked"), status.err);
}

TEST_CASE("two boards with copies of one key directory are told apart, by both and by status and doctor") {
    const World world;
    const Place a(world, "a"), b(world, "b");
    init(a, free_address());
    auto first = a.board();
    REQUIRE(a.sees(1));
    fs::copy(a.keys, b.keys);
    fs::permissions(b.keys, fs::perms::owner_all);
    auto second = b.board("--keys $keys --front-door " + free_address());
    REQUIRE(a.sees(2));
    for (const auto* place : {&a, &b}) {
        CHECK(eventually([&] { return has(place->run("exec $fard status").out, " have the same key "); }, 20s));
        CHECK(eventually([&] { return has(place->run("exec $fard logs").out, "a key directory was copied"); }, 20s));
    }
    CHECK(eventually([&] { return has(a.run("exec $fard doctor --quick").out, "a key directory was copied"); }, 20s));
    for (auto* board : {&first, &second}) {
        board->signal(SIGTERM);
        const auto ended = board->wait(20s);
        CHECK_MESSAGE(has(ended.err, "a key directory was copied"), ended.err);
    }
}

TEST_CASE("who has no keys is told at once that a cluster has some: a person, and a board") {
    const World world;
    const Place a(world, "a"), none(world, "none");
    const auto address = free_address();
    init(a, address);
    const auto board = a.board();
    REQUIRE(a.sees(1));
    const auto status = none.run("FARD_KEYS=none exec $fard status --node " + address);
    CHECK(status.exit_code == 3);
    CHECK_MESSAGE(has(status.err, "a node manager with keys is there"), status.err);
    const auto door = free_address();
    auto open = none.start("exec $fardd --insecure --name open --state-dir $dir/open --front-door " + door + " --seed " + address + " 2> $dir/open.log");
    CHECK(eventually([&] { return has(read_file(world.files().path() / "open.log"), "is of a cluster with keys"); }, 20s));
    open.signal(SIGTERM);
    CHECK(open.wait(20s).exit_code == 0);
}

TEST_CASE("a cluster that is taken down in the middle of a run: said, with what had come") {
    World world;
    world.up(2);
    auto submitted = world.start({"submit", slow_app(world)});
    REQUIRE(some_results([&] { return world.fard({"status", "--json"}).json(); }));
    world.down();
    const auto ended = submitted.wait(60s);
    CHECK(ended.exit_code == 3);
    CHECK_MESSAGE(has(ended.err, "the cluster was taken down: board b"), ended.err);
    CHECK_MESSAGE(has(ended.err, " of 4000 results had come"), ended.err);
}

TEST_CASE("a board that a position is pinned to is lost and stays away: said, with what had come") {
    const World world;
    const auto node = [&](const std::string& name, const std::string& more) {
        return Background({"/bin/bash", "-c", "exec " + (build_root() / "runtime/node_manager/fardd").string() + " --name " + name +
                                                  " --state-dir " + (world.directory() / name).string() + " " + more},
                          {{"XDG_RUNTIME_DIR", world.directory().string()}, {"FARD_NODE", ""}});
    };
    const auto door = (world.directory() / "zed1" / "node.ipc").string();
    const auto one = node("zed1", "");
    REQUIRE(eventually([&] { return world.fard({"status", "--node", door}).exit_code == 0; }, 20s));
    const auto two = node("zed2", "--seed ipc://" + door);
    REQUIRE(eventually([&] {
        const auto status = world.fard({"status", "--json", "--node", door}).json();
        return status.is_object() && status["boards"].size() == 2 && !status["boards"][1]["devices"].empty();
    }, 20s));
    auto submitted = world.start({"submit", slow_app(world, "board = \"zed2\"\n"), "--node", door});
    REQUIRE(some_results([&] { return world.fard({"status", "--json", "--node", door}).json(); }));
    two.signal(SIGKILL);
    const auto ended = submitted.wait(60s);
    CHECK(ended.exit_code == 1);
    CHECK_MESSAGE(has(ended.err, "board zed2 was lost ("), ended.err);
    CHECK_MESSAGE(has(ended.err, "has not come back within 10 s"), ended.err);
    CHECK_MESSAGE(has(ended.err, " of 4000 results had come"), ended.err);
}

TEST_CASE("the doctor names each address that does not answer, with its reason") {
    const World world;
    const Place a(world, "a");
    const auto address = free_address();
    init(a, address);
    const auto silent = a.run("exec $fard doctor");
    CHECK(silent.exit_code == 1);
    CHECK_MESSAGE(has(silent.out, address), silent.out);
    CHECK_MESSAGE(has(silent.out, "nobody listens at that port"), silent.out);
    CHECK_MESSAGE(has(silent.out, "start its fardd"), silent.out);
}
