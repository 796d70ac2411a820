// Jobs, boards and links that a run loses, and what it does then.
#include <doctest/doctest.h>

#include "tests/node_manager/run_bench.hpp"

using namespace fard;
using namespace fard::testing;
using namespace std::chrono_literals;

TEST_CASE("a lost job starts the next wiring with new jobs everywhere") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(100ms);
    bench.coordinator.job_lost({"b"}, bench.loss(1, {0, 0}));
    bench.coordinator.job_lost({"a"}, bench.loss(0, {0, 0}));  // of the wiring that is over: no loss any more
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->epochs == std::vector<Epoch>{{0, 0}, {0, 1}});
    CHECK(bench.boards.count("a SPAWN") == 2);
}

TEST_CASE("a position lost three times without a new result in between ends the run, with its last words") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.chunks = 100;
    bench.submit(submission);
    for (std::uint32_t wiring = 0; wiring < 3; ++wiring) {
        bench.live(200ms);
        if (wiring == 1) bench.results(0, 1);  // progress: the count starts anew
        bench.coordinator.job_lost({"b"}, bench.loss(1, {0, wiring}));
    }
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    bench.coordinator.job_lost({"b"}, bench.loss(1, {0, 3}));
    bench.live(200ms);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason().find(
              "position 1 ('p1') was lost 3 times without a new result, last on board b: signal 9") == 0);
    CHECK(bench.reason().find("last words") != std::string::npos);
    CHECK(bench.boards.count("b RELEASE") == 1);
}

TEST_CASE("a job that throws ends the run at once") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(100ms);
    bench.coordinator.job_lost({"b"}, bench.loss(1, {0, 0}, true));
    bench.live(100ms);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason().find("position 1 ('p1') on board b: threw: bad chunk") == 0);
}

TEST_CASE("a lost board's jobs go elsewhere; with too few slots left the run waits for some, then says so") {
    Bench bench{"a", "b", "c"};
    bench.submit(bench.submission(3));
    bench.live(100ms);
    bench.boards.remove("b");
    bench.boards.silent.insert("b");
    bench.coordinator.board_lost({"b"}, "killed");
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.boards.count("b SPAWN") == 1);
    bench.boards.remove("c");
    bench.boards.silent.insert("c");
    bench.coordinator.board_lost({"c"}, "killed");
    bench.live(5s);
    CHECK(bench.phase() == "admitted");
    CHECK(bench.reason().find("slots: board c was lost (killed): app 'app' needs 3 device slots at once") == 0);
    bench.live(6s);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason().find("needs 3 device slots at once, the cluster has 2") != std::string::npos);
}

TEST_CASE("a run goes on when a board is back within some seconds") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(3));
    bench.live(100ms);
    bench.boards.remove("b");
    bench.coordinator.board_lost({"b"}, "its cable was out");
    bench.live(4s);
    CHECK(bench.phase() == "admitted");
    bench.boards.add("b");
    bench.live(300ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->epochs == std::vector<Epoch>{{0, 0}, {0, 1}});
}

TEST_CASE("a link that a job lost starts the next wiring, and is nobody's loss") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.chunks = 100;
    bench.submit(submission);
    auto lost = bench.loss(1, {0, 0});
    lost.fault = static_cast<std::uint8_t>(Fault::unreachable);
    for (std::uint32_t wiring = 0; wiring < 12; ++wiring) {
        bench.live(1s);
        CHECK(bench.phase() == "running");
        lost.job.epoch = {0, wiring};
        bench.coordinator.job_lost({"b"}, lost);
    }
    bench.live(1s);
    CHECK(bench.phase() == "running");
    lost.job.epoch = {0, 12};
    bench.coordinator.job_lost({"b"}, lost);
    bench.live(1s);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason().find("was wired 12 times without a new result") != std::string::npos);
}

TEST_CASE("a lost link of the coordinator's own is the same; a lost link to the client is this attempt's end") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(100ms);
    bench.ends->events.link_lost({Fault::unreachable, "the connection broke"});
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->epochs == std::vector<Epoch>{{0, 0}, {0, 1}});
    bench.ends->events.client_lost({Fault::unreachable, "the connection broke"});
    bench.live(600ms);
    CHECK(bench.phase() == "lost");
}

TEST_CASE("boards between which no chunk comes through are no neighbours in the next wiring") {
    Bench bench{"a", "b", "c"};
    for (auto& view : bench.boards.views)
        view.state.devices[0].slots = 1;
    auto submission = bench.submission(2);
    submission.chunks = 100;
    bench.boards.instead["a RENEW"] = wire::Reserved{true, 0, {{0, 0, 2, 0, 5, false}}};
    bench.boards.instead["b RENEW"] = wire::Reserved{true, 0, {{1, 0, 2, 0, 3, false}}};
    bench.submit(submission);
    bench.live(200ms);
    bench.ends->ends = {.fed = 7, .taken = 3, .unopened_sinks = {}, .client_open = true};
    bench.live(5s);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->epochs.size() == 1);
    bench.live(4s);
    CHECK(bench.ends->epochs.size() == 2);
    CHECK(bench.boards.count("c SPAWN") == 1);
    CHECK(bench.boards.count("b SPAWN") == 1);
}

TEST_CASE("a loss after the last result costs nothing") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(100ms);
    bench.results(0, 3);
    bench.coordinator.job_lost({"b"}, bench.loss(1, {0, 0}));
    CHECK(bench.phase() == "running");
    wire::Body final;
    bench.coordinator.finish({{"run"}, 0}, [&](wire::Body body) { final = std::move(body); });
    bench.live(100ms);
    CHECK(final.as<wire::RunState>()->phase == "done");
    CHECK(bench.boards.count("a SPAWN") == 1);
}
