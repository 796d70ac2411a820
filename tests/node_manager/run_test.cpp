#include "runtime/node_manager/run.hpp"

#include <doctest/doctest.h>

#include "tests/node_manager/run_bench.hpp"

using namespace fard;
using namespace fard::testing;
using namespace std::chrono_literals;

TEST_CASE("a run goes from admitted to done, and every step is asked once") {
    Bench bench{"a", "b"};
    const auto answer = bench.submit(bench.submission(3));
    REQUIRE(answer.is<wire::Admitted>());
    CHECK(answer.as<wire::Admitted>()->ticket == 1);
    CHECK(answer.as<wire::Admitted>()->members.size() == 2);
    bench.live(100ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.ends->started);
    bench.results(0, 3);
    wire::Body final;
    bench.coordinator.finish({{"run"}, 0}, [&](wire::Body body) { final = std::move(body); });
    bench.live(100ms);
    REQUIRE(final.is<wire::RunState>());
    CHECK(final.as<wire::RunState>()->phase == "done");
    CHECK(final.as<wire::RunState>()->results == 3);
    CHECK(final.as<wire::RunState>()->jobs.size() == 2);
    for (const char* step : {"RESERVE", "COMMIT", "SPAWN", "WIRE", "DRAIN", "RELEASE"})
        for (const char* board : {"a ", "b "})
            CHECK_MESSAGE(bench.boards.count(std::string(board) + step) == 1, step);
    CHECK(bench.coordinator.active() == 0);
}

TEST_CASE("more positions than slots are refused at the door") {
    Bench bench{"a"};
    const auto answer = bench.submit(bench.submission(3));
    REQUIRE(answer.is<wire::Refused>());
    CHECK(answer.as<wire::Refused>()->reason.find("needs 3 device slots at once, the cluster has 2") !=
          std::string::npos);
}

TEST_CASE("a client that is silent for 10 s ends its run") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(1s);
    bench.loop.run_for(9s);
    CHECK(bench.phase() == "running");
    bench.loop.run_for(2s);
    CHECK(bench.phase() == "cancelled");
    CHECK(bench.boards.count("a RELEASE") == 1);
}

TEST_CASE("a coordinator that slept for longer than that does not take the client for silent: the run is lost, not cancelled") {
    for (auto moment = 1000ms; moment < 2s; moment += 100ms) {
        CAPTURE(moment.count());
        Bench bench{"a", "b"};
        bench.submit(bench.submission(2));
        bench.live(moment);
        bench.loop.sleep(30s);
        bench.loop.run_for(100ms);
        CHECK(bench.phase() == "lost");  // its leases have run out
    }
}

TEST_CASE("cancel answers when the boards are free") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2));
    bench.live(100ms);
    wire::Body answer = wire::Refused{};
    bench.coordinator.cancel({{"run"}, false}, [&](wire::Body body) { answer = std::move(body); });
    CHECK(answer.is<wire::Refused>());
    bench.live(100ms);
    CHECK(answer.is<wire::Done>());
    CHECK(bench.phase() == "cancelled");
    bench.coordinator.cancel({{"other"}, true}, [&](wire::Body body) { answer = std::move(body); });
    CHECK(answer.as<wire::Refused>()->fault == static_cast<std::uint8_t>(Fault::not_found));
}

TEST_CASE("the same attempt again is the same submission, a higher one replaces it, a lower one is refused") {
    Bench bench{"a", "b"};
    bench.submit(bench.submission(2, 1));
    bench.live(100ms, 1);
    CHECK(bench.submit(bench.submission(2, 1)).is<wire::Admitted>());
    CHECK(bench.boards.count("a SPAWN") == 1);
    CHECK(bench.submit(bench.submission(2, 0)).is<wire::Refused>());
    CHECK(bench.submit(bench.submission(2, 2)).is<wire::Admitted>());
    bench.live(100ms, 2);
    CHECK(bench.boards.count("a SPAWN") == 2);
    CHECK(bench.ends->epochs == std::vector<Epoch>{{2, 0}});
}

TEST_CASE("a board that cannot start the jobs is passed over, whatever keeps it from it") {
    for (const auto fault : {Fault::not_found, Fault::io, Fault::corrupt, Fault::timed_out}) {
        CAPTURE(static_cast<int>(fault));
        Bench bench{"a", "b"};
        bench.boards.instead["b SPAWN"] =
            wire::Refused{static_cast<std::uint8_t>(fault), "no job program 'x', or no descriptors"};
        bench.submit(bench.submission(2));
        bench.live(200ms);
        CHECK(bench.phase() == "running");
        CHECK(bench.boards.count("b SPAWN") == 1);
    }
    Bench bench{"a", "b"};
    bench.boards.instead["b SPAWN"] = wire::Refused{static_cast<std::uint8_t>(Fault::unsupported), "no such kernels"};
    bench.submit(bench.submission(2));
    bench.live(200ms);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason() == "starting jobs on board b: no such kernels");
}

TEST_CASE("a program that no board has is refused at the door") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.app.positions[1].program = "elsewhere";
    const auto answer = bench.submit(submission);
    const auto* refused = answer.as<wire::Refused>();
    REQUIRE(refused != nullptr);
    CHECK(refused->fault == static_cast<std::uint8_t>(Fault::not_found));
    CHECK(refused->reason.find("'elsewhere', which none of the 2 board(s) has") != std::string::npos);
}

TEST_CASE("a run that waits for its places has no ends yet, and tells of them when it has") {
    Bench bench{"a", "b"};
    bench.boards.instead["b RESERVE"] = wire::Reserved{false, 1, {}};
    bench.submit(bench.submission(2));
    bench.live(1s);
    CHECK(bench.phase() == "admitted");
    for (const auto& state : bench.told)
        CHECK(state.ends.empty());
    bench.coordinator.grant({"b"}, {{"run"}, {0, 0}, 2});
    bench.live(100ms);
    CHECK(bench.phase() == "running");
    CHECK(std::ranges::any_of(bench.told, [](const wire::RunState& state) {
        return state.phase == "wired" && state.ends.size() == 2;
    }));
}

TEST_CASE("runs share the memory of their coordinator; one that wants more than all of it is refused") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.app.window_bytes = 900u << 20;
    submission.app.link_bytes = 1u << 20;
    CHECK(bench.submit(submission).as<wire::Admitted>() != nullptr);
    auto second = submission;
    second.run = {"second"};
    bench.submit(second);
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.boards.count("a SPAWN") == 1);
    CHECK(bench.coordinator.states().at(1).reason.find("memory: ") == 0);
    bench.coordinator.cancel({{"run"}, false}, [](const wire::Body&) {});
    bench.live(300ms);
    CHECK(bench.boards.count("a SPAWN") == 2);
    auto third = submission;
    third.run = {"third"};
    third.app.window_bytes = 2000u << 20;
    const auto answer = bench.submit(third);
    const auto* refused = answer.as<wire::Refused>();
    REQUIRE(refused != nullptr);
    CHECK(refused->reason.find("run_memory") != std::string::npos);
}
