// Packages of a run: who is asked for them, and boards that cannot take one.
#include <doctest/doctest.h>

#include "tests/node_manager/run_bench.hpp"

using namespace fard;
using namespace fard::testing;
using namespace std::chrono_literals;

TEST_CASE("an overlay that a board's fabric refuses goes to another kind; what fits nowhere ends the run at once, with the numbers") {
    Bench bench{"a", "b", "c"};
    for (std::size_t i = 0; i < 3; ++i) {
        auto& device = bench.boards.views[i].state.devices[0];
        device.slots = bench.boards.views[i].state.slots_free[0] = 1;
        device.part = i < 2 ? "xc7z020clg484-1" : "xczu9eg-ffvb1156-2-e";
    }
    auto submission = bench.submission(1);
    const std::string large(64, 'a');
    submission.app.positions[0].overlay = large;
    bench.packages.insert(large);
    for (auto& view : bench.boards.views)
        view.state.overlays = {large};
    bench.submit(submission);
    bench.live(200ms);
    CHECK(bench.boards.count("a SPAWN") == 1);
    auto refused = bench.loss(0, {0, 0});
    refused.fault = static_cast<std::uint8_t>(Fault::refused);
    refused.cause = "it takes 12 dsp of 10 (2 too many)";
    bench.coordinator.job_lost({"a"}, refused);
    bench.live(200ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.boards.count("b SPAWN") == 0);  // which is like a
    CHECK(bench.boards.count("c SPAWN") == 1);
    refused.job.epoch = {0, 1};
    bench.coordinator.job_lost({"c"}, refused);
    bench.live(200ms);
    CHECK(bench.phase() == "failed");
    CHECK(bench.reason().find("no board of the cluster can take it: position 0 ('p0') on board a: it takes 12 dsp of 10 (2 too many)") == 0);
    CHECK(bench.reason().find("on board c") != std::string::npos);
    for (const char* board : {"a RELEASE", "c RELEASE"})
        CHECK(bench.boards.count(board) >= 1);
}

TEST_CASE("packages that no board has are asked of the client, and nothing is reserved until they are there") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.app.positions[1].overlay = "hash";
    wire::GatheredPackage row{"hash", false, 0, 0, 0, ""};
    for (const auto* board : {"a GATHER", "b GATHER"})
        bench.boards.instead[board] = wire::Gathered{{row}};
    const auto answer = bench.submit(submission);
    CHECK(answer.as<wire::Admitted>()->missing == std::vector<std::string>{"hash"});
    bench.live(300ms);
    CHECK(bench.phase() == "admitted");
    CHECK(bench.coordinator.states()[0].missing == std::vector<std::string>{"hash"});
    CHECK(bench.coordinator.states()[0].reason == "0.0 of 0.0 MB of the packages are on their boards, 1 packages have not begun");
    CHECK(bench.boards.count("a RESERVE") == 0);
    bench.packages.insert("hash");
    row.ready = true;
    for (const auto* board : {"a GATHER", "b GATHER"})
        bench.boards.instead[board] = wire::Gathered{{row}};
    bench.live(100ms);
    CHECK(bench.phase() == "running");
    CHECK(bench.coordinator.states()[0].missing.empty());
}

TEST_CASE("packages of which nothing comes for a minute end the run") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(2);
    submission.app.positions[1].overlay = "hash";
    wire::GatheredPackage row{"hash", false, 0, 0, static_cast<std::uint8_t>(Fault::not_found), "nobody has it"};
    for (const auto* board : {"a GATHER", "b GATHER"})
        bench.boards.instead[board] = wire::Gathered{{row}};
    bench.submit(submission);
    bench.live(59s);
    CHECK(bench.phase() == "admitted");
    bench.loop.sleep(30s);  // in which nobody could have sent any
    bench.live(59s);
    CHECK(bench.phase() == "admitted");
    bench.live(3s);
    CHECK(bench.phase() == "failed");
    CHECK(bench.coordinator.states()[0].reason.find("has not offered them all") != std::string::npos);
}

TEST_CASE("a board that finds a package damaged again and again is left for another, and named when there is none") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(1);
    submission.app.positions[0].overlay = "hash";
    bench.packages.insert("hash");
    bench.boards.views[0].state.slots_free = {0};
    std::uint64_t held = 0;
    wire::GatheredPackage damaged{"hash", false, 0, 100, static_cast<std::uint8_t>(Fault::corrupt), "not the manifest's SHA-256"};
    bench.boards.instead["b GATHER"] = wire::Gathered{{damaged}};
    SUBCASE("another has it") {
        bench.submit(submission);
        bench.live(3s);
        CHECK(bench.boards.count("b GATHER") == 3);
        CHECK(bench.phase() == "running");
    }
    SUBCASE("none has, and bytes come all the time") {
        bench.boards.instead["a GATHER"] = bench.boards.instead["b GATHER"];
        bench.packages.clear();
        bench.submit(submission);
        for (int i = 0; i < 200 && bench.phase() != "failed"; ++i) {
            damaged.held = ++held % 100;
            for (const char* board : {"a GATHER", "b GATHER"})
                bench.boards.instead[board] = wire::Gathered{{damaged}};
            bench.live(100ms);
        }
        CHECK(bench.phase() == "failed");
        CHECK(bench.reason().find("not the manifest's SHA-256") != std::string::npos);
    }
}

TEST_CASE("a board whose disk is full is left for another, and named when there is none") {
    Bench bench{"a", "b"};
    auto submission = bench.submission(1);
    submission.app.positions[0].overlay = "hash";
    bench.packages.insert("hash");
    bench.boards.views[0].state.slots_free = {0};
    const wire::GatheredPackage full{"hash", false, 0, 0, static_cast<std::uint8_t>(Fault::io), "No space left on device"};
    bench.boards.instead["b GATHER"] = wire::Gathered{{full}};
    bench.submit(submission);
    bench.live(300ms);
    CHECK(bench.boards.count("b GATHER") >= 1);
    CHECK(bench.phase() == "running");  // on a, which has it
}
