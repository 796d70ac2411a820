// Jobs that die, throw or hang; boards, coordinators and clients that go away: an error that says why, or
// every result.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/e2e/harness.hpp"

using namespace fard;
using namespace fard::e2e;
using namespace std::chrono_literals;

namespace {

// A chain of `copy` jobs with one job of the test program `test_faulty` at position 1.
std::string faulty_app(const std::string& params, const std::string& pipeline = "") {
    return "[app]\nname = \"faulty\"\n[input]\nrandom_chunks = 40\n[[input.tensor]]\nname = \"x\"\nshape = "
           "[1, 1024]\n"
           "type = \"UINT8\"\n[pipeline]\n" +
           pipeline +
           "\n[[pipeline.position]]\nname = \"first\"\njob = \"copy\"\n"
           "[[pipeline.position]]\nname = \"faulty\"\njob = \"test_faulty\"\nparams = { " +
           params + " }\n[[pipeline.position]]\nname = \"last\"\njob = \"copy\"\n";
}

std::string slow_app(int positions, int milliseconds, int chunks) {
    std::string text = "[app]\nname = \"slow\"\n[input]\nrandom_chunks = " + std::to_string(chunks) +
                       "\n[[input.tensor]]\nname = \"x\"\nshape = [1, 256]\ntype = \"UINT8\"\n[pipeline]\n";
    for (int p = 0; p < positions; ++p)
        text += "[[pipeline.position]]\nname = \"p" + std::to_string(p) +
                "\"\njob = \"test_faulty\"\nparams = { slow_ms = \"" + std::to_string(milliseconds) +
                "\" }\n";
    return text;
}

// Nothing of a run is left: no job, every slot free.
bool boards_free(const World& world) {
    if (!world.jobs().empty()) return false;
    const auto status = world.fard({"status", "--json"}).json();
    if (!status.contains("boards")) return false;
    for (const auto& board : status["boards"])
        for (const auto& device : board["devices"])
            if (device["slots_free"] != device["slots"]) return false;
    return status["boards"].size() > 0;
}

}  // namespace

TEST_CASE("a job that dies on one certain chunk ends the run with position, board, cause and last words") {
    World world;
    world.up(3);
    const auto app = world.files().write("dies.toml", faulty_app("kill_at = \"7\""));
    const auto outcome = world.fard({"submit", app.string(), "--json"}, 60s);
    CHECK(outcome.exit_code == 1);
    CHECK(outcome.err.find("position 1 ('faulty')") != std::string::npos);
    CHECK(outcome.err.find("on board ") != std::string::npos);
    CHECK(outcome.err.find("signal") != std::string::npos);
    CHECK(outcome.err.find("lost 3 times") != std::string::npos);
    CHECK(eventually([&] { return boards_free(world); }, 5s));
}

TEST_CASE("a job that throws ends the run at once, with what it threw") {
    World world;
    world.up(3);
    const auto app = world.files().write("throws.toml", faulty_app("throw_at = \"7\""));
    const auto outcome = world.fard({"submit", app.string(), "--json"}, 60s);
    CHECK(outcome.exit_code == 1);
    CHECK(outcome.err.find("position 1 ('faulty')") != std::string::npos);
    CHECK(outcome.err.find("chunk 7") != std::string::npos);
    CHECK(outcome.took.count() < 5);
    CHECK(eventually([&] { return boards_free(world); }, 5s));
}

TEST_CASE("a job that never returns is killed at chunk_timeout, and three times is enough") {
    World world;
    world.up(3);
    const auto app =
        world.files().write("hangs.toml", faulty_app("hang_at = \"7\"", "chunk_timeout = \"1 s\""));
    const auto outcome = world.fard({"submit", app.string(), "--json"}, 60s);
    CHECK(outcome.exit_code == 1);
    CHECK(outcome.err.find("held chunk 7") != std::string::npos);
    CHECK(outcome.took.count() < 12);
    CHECK(eventually([&] { return boards_free(world); }, 5s));
}

TEST_CASE("a job that is stopped while it waits for chunks is lost, and the run goes on without it") {
    World world;
    world.up(2, {"--slots", "4"});
    const auto app = world.files().write("slow.toml", slow_app(1, 30, 100) +
                                                          "[[pipeline.position]]\nname = \"next\"\njob = \"copy\"\n");
    const auto got = world.files().path() / "got.npy", fed = world.files().path() / "fed.npy";
    auto run = world.start({"submit", app.string(), "--output", got.string(), "--prepared", fed.string(), "--json"});
    pid_t waiting = 0;
    REQUIRE(eventually(
        [&] {
            for (const auto job : world.jobs())
                if (read_file("/proc/" + std::to_string(job) + "/comm") == "copy\n") waiting = job;
            return waiting != 0;
        },
        5s));
    std::this_thread::sleep_for(500ms);
    kill(waiting, SIGSTOP);
    const auto outcome = run.wait(60s);
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == 0);
    CHECK(read_file(got) == read_file(fed));
    CHECK(outcome.json()["replays"] > 0);
}

TEST_CASE("connections of links that are reset: every result once, in order, bit-identical") {
    World world;
    world.up(3, {"--tcp"});
    const auto app = world.files().write("slow.toml", slow_app(3, 10, 150));
    const auto got = world.files().path() / "got.npy", fed = world.files().path() / "fed.npy";
    auto run = world.start({"submit", app.string(), "--output", got.string(), "--prepared", fed.string(), "--json"});
    REQUIRE(eventually([&] { return world.jobs().size() == 3; }, 5s));
    for (int round = 0; round < 3; ++round) {
        std::this_thread::sleep_for(400ms);
        const auto jobs = world.jobs();
        if (jobs.empty()) break;
        const auto command = "ss -tnpH state established | grep -w pid=" + std::to_string(jobs[round % jobs.size()]) +
                             " | head -1 | { read -r _ _ from to _; ss -KH src $from dst $to | grep -q .; }";
        if (std::system(command.c_str()) != 0) MESSAGE("no connection was reset: it takes root, ss and its kernel option");
    }
    const auto outcome = run.wait(60s);
    CAPTURE(outcome.err);
    CHECK(outcome.exit_code == 0);
    CHECK(outcome.json()["chunks_out"] == 150);
    CHECK(read_file(got) == read_file(fed));
    CHECK(eventually([&] { return boards_free(world); }, 8s));
}

TEST_CASE("jobs and boards killed in the middle: every result once, in order, bit-identical") {
    World world;
    const auto app = world.files().write("slow.toml", slow_app(4, 5, 200));
    const auto expected = world.files().path() / "expected.npy", got = world.files().path() / "got.npy";
    world.up(4);
    REQUIRE(world.fard({"submit", app.string(), "--output", expected.string(), "--json"}).exit_code == 0);
    world.down();
    std::mt19937 random(11);
    for (const bool whole_board : {false, true, false}) {
        CAPTURE(whole_board);
        world.up(4);
        auto run = world.start({"submit", app.string(), "--output", got.string(), "--json"});
        REQUIRE(eventually([&] { return world.jobs().size() == 4; }, 5s));
        std::this_thread::sleep_for(std::chrono::milliseconds(50 + random() % 600));
        // The first node manager is the coordinator: `fard submit` talks to node.ipc.
        const auto managers = world.node_managers();
        const auto victims = whole_board ? managers : world.jobs();
        REQUIRE_FALSE(victims.empty());
        kill(victims.back(), SIGKILL);
        const auto outcome = run.wait(60s);
        CAPTURE(outcome.err);
        CHECK(outcome.exit_code == 0);
        CHECK(outcome.json()["chunks_out"] == 200);
        CHECK(read_file(got) == read_file(expected));
        CHECK(eventually([&] { return world.jobs().empty(); }, 5s));
        world.down();
    }
}

TEST_CASE(
    "the coordinator killed, or stopped and woken later: the client goes on elsewhere and has every result "
    "once") {
    World world;
    const auto app = world.files().write("slow.toml", slow_app(4, 5, 300));
    const auto expected = world.files().path() / "expected.npy", got = world.files().path() / "got.npy";
    world.up(4);
    REQUIRE(world.fard({"submit", app.string(), "--output", expected.string(), "--json"}).exit_code == 0);
    world.down();
    for (const int signal : {SIGKILL, SIGSTOP}) {
        CAPTURE(signal);
        world.up(4);
        auto run = world.start({"submit", app.string(), "--output", got.string(), "--json"});
        REQUIRE(eventually([&] { return world.jobs().size() == 4; }, 5s));
        std::this_thread::sleep_for(300ms);
        const auto coordinator = world.node_managers().front();
        kill(coordinator, signal);
        if (signal == SIGSTOP) {
            std::this_thread::sleep_for(3s);
            kill(coordinator, SIGCONT);
        }
        const auto outcome = run.wait(60s);
        CAPTURE(outcome.err);
        CHECK(outcome.exit_code == 0);
        CHECK(outcome.json()["chunks_out"] == 300);
        CHECK(read_file(got) == read_file(expected));
        CHECK(eventually([&] { return world.jobs().empty(); }, 8s));
        world.down();
    }
}

TEST_CASE("with its node manager end the jobs that were made of parked programs, and those") {
    World world;
    world.up(1, {"--slots", "4"});
    const auto app = world.files().write("slow.toml", slow_app(2, 20, 1000));
    REQUIRE(world.fard({"submit", app.string(), "--chunks", "2", "--json"}).exit_code == 0);
    REQUIRE(eventually([&] { return !world.parked().empty(); }, 5s));
    std::this_thread::sleep_for(200ms);  // until it waits
    auto run = world.start({"submit", app.string(), "--json"});
    REQUIRE(eventually([&] { return world.jobs().size() == 2; }, 5s));
    auto processes = world.jobs();
    for (const auto job : processes) {
        const auto words = read_file("/proc/" + std::to_string(job) + "/cmdline");
        CHECK(words.ends_with(std::string(2, '\0')));  // a parked program's argument, blanked
    }
    for (const auto program : world.parked())
        processes.push_back(program);
    REQUIRE(processes.size() == 3);
    kill(world.node_managers().front(), SIGKILL);
    CHECK(eventually(
        [&] { return std::ranges::none_of(processes, [](pid_t process) { return kill(process, 0) == 0; }); },
        5s));
    CHECK(run.wait(60s).exit_code != 0);
}

TEST_CASE("job programs are parked only if they say that they may be") {
    World world;
    world.up(1, {"--slots", "4"});
    const auto app = [&](const char* job) {
        return world.files().write(
            std::string(job) + ".toml",
            "[app]\nname = \"a\"\n[input]\nrandom_chunks = 2\n[[input.tensor]]\nname = \"x\"\nshape = [1, 8]\ntype = "
            "\"UINT8\"\n[[pipeline.position]]\nname = \"p\"\njob = \"" +
                std::string(job) + "\"\n");
    };
    const auto unparked = app("test_unparked"), copy = app("copy");
    REQUIRE(world.fard({"submit", unparked.string()}).exit_code == 0);
    REQUIRE(world.fard({"submit", unparked.string()}).exit_code == 0);
    REQUIRE(world.fard({"submit", copy.string()}).exit_code == 0);
    REQUIRE(eventually([&] { return !world.parked().empty(); }, 5s));
    std::this_thread::sleep_for(300ms);  // time enough for another one
    const auto parked = world.parked();
    REQUIRE(parked.size() == 1);
    CHECK(read_file("/proc/" + std::to_string(parked.front()) + "/cmdline").find("copy") != std::string::npos);
}

TEST_CASE("a client that is killed frees the boards within its grace period") {
    World world;
    world.up(2);
    const auto app = world.files().write("slow.toml", slow_app(2, 20, 5000));
    auto run = world.start({"submit", app.string(), "--json"});
    REQUIRE(eventually([&] { return world.jobs().size() == 2; }, 5s));
    run.signal(SIGKILL);
    CHECK(eventually([&] { return boards_free(world); }, 13s));
}

TEST_CASE("twenty runs at once on three boards of one slot each all finish") {
    World world;
    world.up(3, {"--slots", "1"});
    const auto app = world.files().write("three.toml", slow_app(3, 1, 20));
    for (const bool lose_one : {false, true}) {
        CAPTURE(lose_one);
        if (lose_one) {
            world.down();
            world.up(4, {"--slots", "1"});
        }
        std::vector<Background> runs;
        for (int i = 0; i < 20; ++i)
            runs.push_back(world.start({"submit", app.string(), "--json"}));
        if (lose_one) {
            std::this_thread::sleep_for(700ms);
            kill(world.node_managers().back(), SIGKILL);
        }
        for (auto& run : runs) {
            const auto outcome = run.wait(120s);
            CAPTURE(outcome.err);
            CHECK(outcome.exit_code == 0);
            CHECK(outcome.json()["chunks_out"] == 20);
        }
        CHECK(eventually([&] { return boards_free(world); }, 5s));
    }
}

TEST_CASE("many short runs leave nothing behind") {
    World world;
    world.up(2);
    const auto app = (source_root() / "apps" / "copy.toml").string();
    auto files = [&] {
        std::size_t count = 0;
        for (const auto& entry : fs::recursive_directory_iterator(world.directory()))
            count += entry.is_socket();
        return count;
    };
    auto run = [&](int times) {
        for (int i = 0; i < times; ++i)
            REQUIRE(world.fard({"submit", app, "--chunks", "2", "--json"}).exit_code == 0);
    };
    run(10);
    REQUIRE(eventually([&] { return boards_free(world); }, 5s));
    std::vector<std::size_t> descriptors;
    for (const auto manager : world.node_managers())
        descriptors.push_back(open_descriptors(manager));
    const auto sockets = files();
    run(50);
    REQUIRE(eventually([&] { return boards_free(world); }, 5s));
    CHECK(files() == sockets);
    std::size_t at = 0;
    for (const auto manager : world.node_managers())
        CHECK(open_descriptors(manager) <= descriptors[at++] + 1);
}
