#include "runtime/node_manager/run_watch.hpp"

#include <doctest/doctest.h>

using namespace fard;
using namespace std::chrono_literals;

namespace {

wire::AppSpec app(std::vector<std::uint32_t> replicas, std::int64_t bytes = 64) {
    wire::AppSpec spec;
    for (const auto count : replicas) {
        wire::PositionSpec position;
        position.name = "p" + std::to_string(spec.positions.size());
        position.replicas = count;
        position.inputs = position.outputs = {{"x", {1, bytes}, "NC", DataType::uint(8), "UINT8"}};
        spec.positions.push_back(position);
    }
    return spec;
}

wire::JobProgress job(std::uint32_t position, std::uint64_t chunks, bool busy = false) {
    return {position, 0, 2, 0, chunks, busy};
}

const TimePoint start{1h};

}  // namespace

TEST_CASE("chunks that do not move are told with the position that owes them") {
    const auto spec = app({1, 1, 1});
    struct Case {
        std::vector<std::uint64_t> counts;  // fed, handed on by each position, taken
        std::uint32_t position;
        std::optional<RunWatch::Job> from, to;
    };
    const std::vector<Case> cases{
        {{9, 5, 5, 5, 5}, 0, std::nullopt, RunWatch::Job{0, 0}},
        {{9, 7, 5, 5, 5}, 1, RunWatch::Job{0, 0}, RunWatch::Job{1, 0}},
        {{9, 8, 7, 5, 5}, 2, RunWatch::Job{1, 0}, RunWatch::Job{2, 0}},
        {{9, 9, 9, 9, 5}, 2, RunWatch::Job{2, 0}, std::nullopt},
    };
    for (const auto& now : cases) {
        RunWatch watch(spec);
        watch.begin(start);
        watch.heard({job(0, now.counts[1]), job(1, now.counts[2])});
        watch.heard({job(2, now.counts[3])});
        const RunWatch::Ends ends{.fed = now.counts[0], .taken = now.counts[4], .unopened_sinks = {}};
        CHECK_FALSE(watch.check_flow(start, ends));
        CHECK_FALSE(watch.check_flow(start + 5s, ends));
        const auto standstill = watch.check_flow(start + 7s, ends);
        REQUIRE(standstill);
        CHECK(standstill->position == now.position);
        CHECK(standstill->between);
        CHECK(standstill->from == now.from);
        CHECK(standstill->to == now.to);
        CHECK(standstill->what.find("('p" + std::to_string(now.position) + "')") != std::string::npos);
    }
}

TEST_CASE("who computes, moves, or owes nothing does not stand still; large chunks may take their time") {
    const RunWatch::Ends ends{.fed = 9, .taken = 5, .unopened_sinks = {}};
    const auto spec = app({1, 1}), large = app({1, 1}, 1'000'000);
    RunWatch busy(spec), moving(spec), idle(spec), slow(large);
    for (auto* watch : {&busy, &moving, &idle, &slow})
        watch->begin(start);
    slow.heard({job(0, 7), job(1, 5)});
    for (std::uint64_t second = 0; second < 60; ++second) {
        const auto now = start + std::chrono::seconds(second);
        busy.heard({job(0, 7, true), job(1, 5)});
        CHECK_FALSE(busy.check_flow(now, ends));
        moving.heard({job(0, 7 + second / 5), job(1, 5)});
        CHECK_FALSE(moving.check_flow(now, ends));
        idle.heard({job(0, 9), job(1, 9)});
        CHECK_FALSE(idle.check_flow(now, {.fed = 9, .taken = 9, .unopened_sinks = {}}));
        CHECK(slow.check_flow(now, ends).has_value() == (second > 16));
    }
}

TEST_CASE("with replicas it is not known between which jobs") {
    const auto spec = app({1, 2});
    RunWatch watch(spec);
    watch.begin(start);
    watch.heard({job(0, 7), job(1, 2), {1, 1, 2, 0, 3, false}});
    const RunWatch::Ends ends{.fed = 9, .taken = 5, .unopened_sinks = {}};
    CHECK_FALSE(watch.check_flow(start, ends));
    const auto standstill = watch.check_flow(start + 7s, ends);
    REQUIRE(standstill);
    CHECK(standstill->position == 1);
    CHECK_FALSE(standstill->between);
}

TEST_CASE("a link that does not open once every device is loaded is told with its ends") {
    const auto spec = app({2, 1});
    RunWatch watch(spec);
    watch.begin(start);
    const RunWatch::Ends ends{.fed = 0, .taken = 0, .unopened_sinks = {0}};
    watch.heard({{0, 0, 2, 0, 0, false}, {0, 1, 2, 0, 0, false}});
    CHECK_FALSE(watch.check_links(start + 60s, ends));  // a job has not been heard of
    watch.heard({{1, 0, 0, 3, 0, false}});
    CHECK_FALSE(watch.check_links(start + 120s, ends));  // it loads
    watch.heard({{1, 0, 1, 2, 0, false}});
    CHECK_FALSE(watch.check_links(start + 121s, ends));
    auto standstill = watch.check_links(start + 127s, ends);
    REQUIRE(standstill);
    CHECK(standstill->from == RunWatch::Job{0, 1});
    CHECK(standstill->to == RunWatch::Job{1, 0});
    watch.heard({{1, 0, 2, 0, 0, false}});
    standstill = watch.check_links(start + 127s, ends);
    REQUIRE(standstill);
    CHECK(standstill->from == RunWatch::Job{1, 0});
    CHECK_FALSE(standstill->to);
    standstill = watch.check_links(start + 132s, {.unopened_sinks = {}, .client_open = false});
    REQUIRE(standstill);
    CHECK(standstill->client);
    CHECK_FALSE(watch.check_links(start + 132s, {.unopened_sinks = {}, .client_open = true}));
}

TEST_CASE("of parts the slowest counts: each has every chunk to do") {
    auto spec = app({1, 1});
    spec.positions[1].parts.resize(2);
    RunWatch watch(spec);
    watch.begin(start);
    watch.heard({job(0, 9), job(1, 9), {1, 1, 2, 0, 3, false}});  // the second part stopped at 3
    const RunWatch::Ends ends{.fed = 9, .taken = 3, .unopened_sinks = {}};
    CHECK_FALSE(watch.check_flow(start, ends));
    const auto standstill = watch.check_flow(start + 7s, ends);
    REQUIRE(standstill);
    CHECK(standstill->position == 1);
    CHECK_FALSE(standstill->between);
}
