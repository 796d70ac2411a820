#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "planner/arrange.hpp"
#include "tests/planner/pipelines.hpp"

namespace fard {
namespace {

using namespace planner;

// Drawn by a seed: boards, positions, some of them replicas, some with turns.
struct Case {
    Pipeline pipeline;
    Seating seating;
    Wish wish;
};

Case draw(std::uint32_t seed) {
    std::mt19937 random(seed);
    const auto upto = [&](std::size_t most) { return static_cast<std::size_t>(random() % (most + 1)); };
    const auto boards = 1 + upto(2), positions = 1 + upto(4);
    std::vector<double> intervals;
    for (std::size_t i = 0; i < positions; ++i)
        intervals.push_back(0.25 * static_cast<double>(1 + upto(11)));
    Case drawn{line_of(boards, intervals, 0.25 * static_cast<double>(upto(4))), {}, {}};
    for (auto& place : drawn.pipeline.places) {
        place.reload_s = static_cast<double>(upto(10));
        place.host_s_per_chunk = 0.0625 * static_cast<double>(upto(6));
        place.way.bytes_per_s = 256.0 * static_cast<double>(1 + upto(7));
    }
    if (upto(3) == 0) drawn.pipeline.input_at = upto(boards);
    if (upto(3) == 0) drawn.pipeline.output_at = upto(boards);
    for (std::size_t i = 0; i < positions; ++i) {
        if (upto(4) == 0) drawn.pipeline.positions[i].on = Position::On::processor;
        if (drawn.pipeline.positions[i].on == Position::On::processor)
            drawn.pipeline.positions[i].latency_s = drawn.pipeline.positions[i].interval_s;
        std::vector<Seat> seats{{upto(boards - 1), 0}};
        if (boards > 1 && upto(3) == 0) seats.push_back({(seats[0].board + 1) % boards, 0});
        drawn.seating.push_back(seats);
    }
    drawn.wish.run.chunks = 1 + upto(30);
    drawn.wish.batch = 1 + upto(drawn.wish.run.chunks - 1);
    drawn.wish.link_bytes = 512 * (1 + upto(8));
    if (upto(2) == 0) drawn.wish.run.ahead_bytes = 512 * (1 + upto(8));
    if (upto(2) == 0) drawn.wish.run.every_s = 0.5 * static_cast<double>(upto(4));
    return drawn;
}

}  // namespace

TEST_CASE("no run is faster than its bound, and many are as fast") {
    std::size_t near = 0, all = 0;
    for (std::uint32_t seed = 0; seed < 3000; ++seed) {
        const auto drawn = draw(seed);
        CAPTURE(seed);
        const auto done = arrange_seated(drawn.pipeline, drawn.seating, drawn.wish);
        REQUIRE_MESSAGE(done, (done ? "" : done.error().message));
        CHECK(done->bound_s <= done->simulated.wall_s() * (1 + 1e-9));
        near += done->bound_s >= done->simulated.wall_s() * 0.95;
        ++all;
    }
    CHECK(near * 3 > all);
}

TEST_CASE("what limits a run is named, with its share of the time") {
    const auto pipeline = line_of(2, {1, 4});
    const auto done = simulate(pipeline, resident(pipeline), {.chunks = 50}).value();
    CHECK(limit_of(pipeline, done).what == "the fabric of b1, reloads included");
    CHECK(limit_of(pipeline, done).share > 0.95);
    const auto slow = line_of(2, {0.25, 0.25});
    const auto carried = simulate(slow, resident(slow), {.chunks = 50, .loaded = all_loaded(slow, resident(slow))}).value();
    CHECK(limit_of(slow, carried).what.find("network") != std::string::npos);
    CHECK(period_s(done) == doctest::Approx(4));  // loads are not counted
    CHECK(period_s(carried) == doctest::Approx(0.5));
}

}  // namespace fard
