// Runs of more positions than slots.
#include <doctest/doctest.h>

#include "tests/node_manager/run_bench.hpp"

using namespace fard;
using namespace fard::testing;
using namespace std::chrono_literals;

namespace {

// FPGAs of one slot each, and an app of overlays for them.
struct Fabrics : Bench {
    explicit Fabrics(std::initializer_list<const char*> names) : Bench(names) {
        for (auto& view : boards.views)
            fit_out(view);
    }
    static void fit_out(BoardView& view) {
        view.state.devices = {{"fabric0", "emulated", 1, true, ""}};
        view.state.devices[0].loaded.resize(1);
        view.state.slots_free = {1};
        view.state.overlays = {"o0", "o1", "o2", "o3", "o4", "o5"};
    }
    wire::Submit overlays(std::size_t positions, std::uint64_t batch = 0) {
        auto submit = submission(positions);
        submit.chunks = 100;
        submit.app.batch = batch;
        submit.app.window_bytes = 64 * 40;  // 40 chunks
        for (std::size_t p = 0; p < positions; ++p) {
            submit.app.positions[p].overlay = "o" + std::to_string(p);
            packages.insert("o" + std::to_string(p));
        }
        return submit;
    }
    wire::RunState state() const { return coordinator.states().front(); }
};

}  // namespace

TEST_CASE("more positions than FPGAs take turns: each slot is reserved once, its order and batch go out with SPAWN") {
    Fabrics bench{"a", "b", "c"};
    bench.submit(bench.overlays(6, 8));
    bench.live(100ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.state().shared == 3);
    CHECK(bench.state().batch == 8);
    const auto& spawn = bench.boards.spawns.at("a");
    CHECK(spawn.turns == std::vector<wire::SlotTurns>{{{0, 1}}});
    CHECK(spawn.batch == 8);
    CHECK(spawn.chunks == 100);
    REQUIRE(spawn.jobs.size() == 2);
    for (const auto& [key, job] : bench.boards.jobs) {
        CHECK(job.turns);
        CHECK(job.room == 16);
        CHECK(job.reserves == (job.position < 5 ? 8u : 0u));
    }
    bench.results(0, 30);
    bench.coordinator.job_lost({"b"}, bench.loss(1, {0, 0}));
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.boards.spawns.at("a").chunks == 70);
}

TEST_CASE("a batch is no more than the window holds; none asked for is the input, or half the window") {
    Fabrics bench{"a"};
    bench.submit(bench.overlays(2, 64));
    bench.live(100ms);
    CHECK(bench.state().batch == 40);
    Fabrics other{"a"};
    other.submit(other.overlays(2));
    other.live(100ms);
    CHECK(other.state().batch == 20);
    Fabrics few{"a"};
    auto submit = few.overlays(2);
    submit.chunks = 9;
    few.submit(submit);
    few.live(100ms);
    CHECK(few.state().batch == 9);
}

TEST_CASE("with a slot for each nobody takes turns, whatever is asked for") {
    Fabrics bench{"a", "b"};
    bench.submit(bench.overlays(2, 8));
    bench.live(100ms);
    CHECK(bench.state().shared == 0);
    CHECK(bench.state().batch == 0);
    CHECK(bench.boards.spawns.at("a").turns.empty());
    CHECK_FALSE(bench.boards.jobs.at({0, 0}).turns);
    CHECK(bench.boards.jobs.at({1, 0}).room == 0);
}

TEST_CASE("a run that loses a board waits for another, and then takes turns; one that was asked to, at once") {
    for (const std::uint64_t batch : {0, 8}) {
        CAPTURE(batch);
        Fabrics bench{"a", "b", "c"};
        bench.submit(bench.overlays(3, batch));
        bench.live(100ms);
        REQUIRE(bench.phase() == "running");
        bench.boards.remove("c");
        bench.coordinator.board_lost({"c"}, "gone");
        bench.live(1s);
        CHECK(bench.phase() == (batch ? "running" : "admitted"));
        bench.live(10s);
        CHECK(bench.phase() == "running");
        CHECK(bench.state().shared == 1);
    }
}

TEST_CASE("a run follows the schedule that it carries as long as its boards are there, and says when it does not") {
    Fabrics bench{"a", "b", "c"};
    auto submit = bench.overlays(3, 4);
    submit.app.schedule = "fard-schedule 1\nbatch 4\nwindow 40\nboard c\nboard b\nposition room 12 staged next at 0.0\n"
                          "position room 4 staged next at 1.0\nposition room 8 staged next at 0.0\nturns 0.0 2 0\n";
    bench.submit(submit);
    bench.live(100ms);
    REQUIRE(bench.phase() == "running");
    CHECK(bench.state().shared == 1);
    CHECK(bench.boards.spawns.at("c").turns == std::vector<wire::SlotTurns>{{{1, 0}}});
    CHECK(bench.boards.jobs.at({0, 0}).room == 12);
    CHECK(bench.boards.jobs.at({2, 0}).room == 8);
    CHECK(bench.boards.jobs.at({1, 0}).room == 0);
    CHECK(bench.boards.count("a SPAWN") == 0);
    bench.boards.remove("b");
    bench.coordinator.board_lost({"b"}, "gone");
    bench.live(1s);
    CHECK(bench.phase() == "running");  // in turns on a and c
    CHECK(bench.boards.count("a SPAWN") == 1);
    CHECK(bench.boards.spawns.at("a").batch == 4);
}

TEST_CASE("a schedule for another app is refused") {
    Fabrics bench{"a"};
    auto submit = bench.overlays(2, 4);
    submit.app.schedule = "fard-schedule 1\nbatch 4\nwindow 40\nboard a\nposition room 4 staged next at 0.0\n";
    CHECK(bench.submit(submit).as<wire::Refused>()->reason.find("the schedule is for 1 positions, app 'app' has 2") == 0);
    submit.app.schedule = "anything";
    CHECK(bench.submit(submit).as<wire::Refused>()->reason.find("schedule, line 1") == 0);
}
