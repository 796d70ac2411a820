#include <doctest/doctest.h>

#include <algorithm>

#include "planner/bound.hpp"
#include "tests/planner/pipelines.hpp"

namespace fard {
namespace {

using namespace planner;

Simulated simulated(const Pipeline& pipeline, const Schedule& schedule, Run run) {
    const auto done = simulate(pipeline, schedule, run);
    REQUIRE_MESSAGE(done, (done ? "" : done.error().message));
    return *done;
}

Run loaded_run(const Pipeline& pipeline, const Schedule& schedule, std::size_t chunks) {
    return {.chunks = chunks, .loaded = all_loaded(pipeline, schedule)};
}

}  // namespace

TEST_CASE("one chunk takes the sum along its path") {
    const auto pipeline = line_of(2, {1, 2});
    const auto schedule = resident(pipeline);
    const auto done = simulated(pipeline, schedule, loaded_run(pipeline, schedule, 1));
    // In 0.375 of ways, 0.5 at the board's rate, 0.125 of its processor; 1.5 computed; 0.125 + 0.5 + 0.5 + 0.125 between; 2.5;
    // 0.125 + 0.375 + 64 / 1024 out.
    CHECK(done.wall_s() == 1.0 + 1.5 + 1.25 + 2.5 + 0.5625);
    CHECK(done.latency_s == std::vector<double>{done.wall_s()});
    CHECK(done.reloads == 0);
    CHECK(done.busy[0].processor == 0.25);
    CHECK(done.busy[0].way_out == 0.5);
    CHECK(done.busy[1].fabric[0] == 2);
    CHECK_FALSE(done.steady_per_s());
}

TEST_CASE("many chunks come one each period, whatever decides it") {
    for (const auto& [intervals, period] : {std::pair{std::vector<double>{1, 2}, 2.0}, {{0.25, 0.25}, 0.5}, {{3, 1}, 3.0}}) {
        const auto pipeline = line_of(2, intervals);
        const auto schedule = resident(pipeline);
        const auto done = simulated(pipeline, schedule, loaded_run(pipeline, schedule, 20));
        CHECK(*done.steady_per_s() == doctest::Approx(1 / period));
    }
}

TEST_CASE("results do not wait behind a whole window that the board where chunks come from is to send") {
    auto pipeline = line_of(2, {0.75});
    pipeline.input_at = pipeline.output_at = 0;
    Schedule schedule = resident(pipeline, 64);
    schedule.positions[0].seats = {{1, 0}};
    const auto done = simulated(pipeline, schedule, loaded_run(pipeline, schedule, 60));
    CHECK(*done.steady_per_s() == doctest::Approx(1 / 0.75).epsilon(0.01));
    CHECK(done.delivered_s.front() < 4);
}

TEST_CASE("a processor serves both ends and what it computes itself") {
    auto pipeline = line_of(1, {2});
    pipeline.positions[0].on = Position::On::processor;
    pipeline.positions[0].latency_s = 2;
    const auto schedule = resident(pipeline);
    const auto done = simulated(pipeline, schedule, loaded_run(pipeline, schedule, 40));
    CHECK(*done.steady_per_s() == doctest::Approx(1 / 2.25).epsilon(0.01));
    CHECK(done.busy[0].processor == doctest::Approx(40 * 2.25));
    CHECK(done.reloads == 0);
}

TEST_CASE("replicas share the chunks, and the order of results is kept") {
    auto pipeline = line_of(3, {4, 1});
    auto schedule = resident(pipeline);
    schedule.positions[0].seats = {{0, 0}, {1, 0}};
    schedule.positions[1].seats = {{2, 0}};
    const auto done = simulated(pipeline, schedule, loaded_run(pipeline, schedule, 40));
    CHECK(*done.steady_per_s() == doctest::Approx(1 / 2.0).epsilon(0.03));
    CHECK(std::ranges::is_sorted(done.delivered_s));
    CHECK(done.busy[0].fabric[0] == done.busy[1].fabric[0]);
}

TEST_CASE("every part gets every chunk, and the position behind them waits for all") {
    auto pipeline = line_of(3, {1, 1});
    pipeline.positions[0].parts = {256, 256};
    auto schedule = resident(pipeline);
    schedule.positions[0].seats = {{0, 0}, {1, 0}};
    schedule.positions[1].seats = {{2, 0}};
    const auto one = simulated(pipeline, schedule, loaded_run(pipeline, schedule, 1));
    // The client sends 512 bytes twice at 4,096 bytes/s, so that the second part has them 0.125 later; its piece and the
    // first's meet at the processor of board 2, not on the way in, which is 0.25 for each.
    CHECK(one.wall_s() == 1.125 + 1.5 + 0.125 + 0.5 + 0.25 + 0.125 + 0.125 + 1.5 + 0.5625);
    const auto many = simulated(pipeline, schedule, loaded_run(pipeline, schedule, 20));
    CHECK(*many.steady_per_s() == doctest::Approx(1 / 1.0));
    CHECK(many.busy[0].fabric[0] == 20);
    CHECK(many.busy[1].fabric[0] == 20);
}

TEST_CASE("a cold board loads while the first chunk is on its way") {
    const auto pipeline = line_of(2, {1, 2});
    const auto done = simulated(pipeline, resident(pipeline), {.chunks = 1});
    CHECK(done.reloads == 2);
    // Both load at once; the chunk is there after 1.0 and waits until 8.
    CHECK(done.wall_s() == 8 + 1.5 + 1.25 + 2.5 + 0.5625);
    CHECK(done.busy[0].reload == 8);
}

TEST_CASE("a window of one chunk sends the next when the result is there") {
    const auto pipeline = line_of(2, {1, 2});
    const auto schedule = resident(pipeline, 4, 1);
    const auto done = simulated(pipeline, schedule, loaded_run(pipeline, schedule, 5));
    CHECK(done.wall_s() == doctest::Approx(5 * done.delivered_s.front()));
}

TEST_CASE("what the client sends ahead is there when the window lets it go on; its own way stays the limit that it is") {
    const auto pipeline = line_of(1, {1});
    auto schedule = resident(pipeline, 4, 1);
    const auto waits = simulated(pipeline, schedule, {.chunks = 9, .loaded = all_loaded(pipeline, schedule)});
    const auto ahead = simulated(pipeline, schedule, {.chunks = 9, .loaded = all_loaded(pipeline, schedule), .ahead_bytes = 4096});
    CHECK(ahead.delivered_s[0] == waits.delivered_s[0]);
    CHECK(ahead.wall_s() == waits.wall_s() - 8 * 0.5);  // the board's way in is free for them meanwhile
    CHECK(ahead.latency_s[8] > waits.latency_s[8]);     // from when they were sent
    // A client with a slow way.
    auto slow = pipeline;
    slow.places.back().way.bytes_per_s = 256;
    schedule.window = 64;
    const auto bound = simulated(slow, schedule, {.chunks = 33, .loaded = all_loaded(slow, schedule), .ahead_bytes = 4096});
    CHECK(*bound.steady_per_s() == doctest::Approx(0.5));
    CHECK(bound.busy.back().way_out == doctest::Approx(66));
}

TEST_CASE("what the client sends and gets passes through the board that coordinates, and takes its ways and its processor") {
    auto pipeline = line_of(2, {1, 2});
    const auto schedule = resident(pipeline);
    const auto one = [&](std::uint64_t ahead) {
        auto run = loaded_run(pipeline, schedule, 1);
        run.ahead_bytes = ahead;
        return simulated(pipeline, schedule, run);
    };
    const double in = 1.0, computed = 1.5 + 1.25 + 2.5, out = 0.5625;  // as where nobody is between
    pipeline.coordinator = 0;
    for (const std::uint64_t ahead : {0, 4096}) {
        const auto first = one(ahead);  // the first position is on it
        CHECK(first.wall_s() == in + computed + (0.125 + 64.0 / 1024 + 0.5 + 0.125) + out);
        CHECK(first.busy[0].processor == 4 * 0.125);
        CHECK(first.busy[0].way_in == 0.5 + 64.0 / 1024);
    }
    pipeline.coordinator = 1;
    for (const std::uint64_t ahead : {0, 4096}) {
        const auto last = one(ahead);
        CHECK(last.wall_s() == in + 1.25 + computed + out);
        CHECK(last.busy[1].way_in == 2 * 0.5);
    }
    pipeline.coordinator = 0;
    pipeline.bytes_out = 512;
    for (auto& position : pipeline.positions)
        position.interval_s = position.latency_s = 0.125;
    const auto many = simulated(pipeline, schedule, loaded_run(pipeline, schedule, 400));
    CHECK(*many.steady_per_s() == doctest::Approx(1).epsilon(0.03));  // by one way in an input and a result for each
    CHECK(limit_of(pipeline, many).what == "the network into b0");
}

TEST_CASE("positions take turns: load, a batch, and on") {
    // One board, two positions, a batch of three: loads 8, computes 3, loads 8, computes 6; chunks stay on the board.
    const auto pipeline = line_of(1, {1, 2});
    const auto done = simulated(pipeline, by_turns(pipeline, 3), {.chunks = 3});
    CHECK(done.reloads == 2);
    CHECK(done.wall_s() == 8 + 3.5 + 8 + 6.5 + 0.5625);
    // Two batches: the second turn of position 0 begins when the first of position 1 has ended.
    const auto twice = simulated(pipeline, by_turns(pipeline, 3), {.chunks = 6});
    CHECK(twice.reloads == 4);
    CHECK(twice.wall_s() == 2 * (8 + 3.5 + 8 + 6.5) + 0.5625);
}

TEST_CASE("what is loaded already is not loaded again") {
    const auto pipeline = line_of(1, {1, 2});
    const auto schedule = by_turns(pipeline, 3);
    const auto done = simulated(pipeline, schedule, loaded_run(pipeline, schedule, 3));
    CHECK(done.reloads == 1);
    CHECK(done.wall_s() == 1.0 + 3.5 + 8 + 6.5 + 0.5625);
}

TEST_CASE("one board loads while another computes and sends") {
    // Four positions on two boards. Board 0 loads position 2 while board 1 computes position 1.
    const auto pipeline = line_of(2, {1, 1, 1, 1});
    const auto done = simulated(pipeline, by_turns(pipeline, 8), {.chunks = 8, .spans = true});
    CHECK(done.reloads == 4);
    // Position 0 from 8 to 16.5, position 1 behind it until 8 + 1.5 + 1.25 + 7 + 1.5; position 2 may begin at 16.5 + 8 and its
    // chunks are there; position 3 begins 2.75 later.
    CHECK(done.wall_s() == 16.5 + 8 + 1.5 + 1.25 + 7 + 1.5 + 0.5625);
    std::size_t loads = 0, computes = 0;
    for (const auto& span : done.spans) {
        loads += span.what == Span::What::load;
        computes += span.what == Span::What::compute;
        CHECK(span.end_s > span.begin_s);
    }
    CHECK(loads == 4);
    CHECK(computes == 32);
}

TEST_CASE("inputs of any length, windows from a batch on, and input that trickles end exactly") {
    const auto pipeline = line_of(3, {1, 0.5, 2, 1, 0.25, 1, 1});
    for (const std::size_t batch : {1, 2, 5})
        for (const std::size_t chunks : {std::size_t{1}, batch - 1, batch, batch + 1, 10 * batch})
            for (const std::size_t window : {batch, batch + 1, 100 * batch})
                for (const double every : {0.0, 0.05, 3.0}) {
                    if (chunks == 0) continue;
                    CAPTURE(batch);
                    CAPTURE(chunks);
                    CAPTURE(window);
                    for (const auto staging : {Staging::next, Staging::here}) {
                        auto schedule = by_turns(pipeline, batch, window);
                        for (auto& placed : schedule.positions)
                            placed.staging = staging;
                        const auto done = simulated(pipeline, schedule, {.chunks = chunks, .every_s = every});
                        CHECK(std::ranges::is_sorted(done.delivered_s));
                        const auto turns = (chunks + batch - 1) / batch;
                        CHECK(done.reloads == 7 * turns);
                        CHECK(done.busy[0].fabric[0] == doctest::Approx(static_cast<double>(chunks) * 3));
                    }
                }
}

TEST_CASE("a central client: one request at a time, and all boards load at once") {
    auto pipeline = line_of(2, {1, 1, 1, 1});
    // Chunks go through the client between any two positions.
    for (std::size_t i = 3; i > 0; --i)
        pipeline.positions.insert(pipeline.positions.begin() + static_cast<std::ptrdiff_t>(i),
                                  {.name = "relay", .on = Position::On::relay, .bytes_in = 512});
    Schedule schedule;
    schedule.batch = 4;
    schedule.window = 4;
    schedule.boards = {"b0", "b1", "client"};
    for (std::size_t i = 0; i < 7; ++i)
        schedule.positions.push_back({{i % 2 == 1 ? Seat{2, i} : Seat{i / 2 % 2, 0}}, 4, Staging::here});
    schedule.turns = {{{0, 0}, {0, 4}}, {{1, 0}, {2, 6}}};
    const auto done = simulated(pipeline, schedule, {.chunks = 4, .one_request = true, .together = true});
    CHECK(done.reloads == 4);
    // Each of 16 requests: 1.0 there, 1.5 computed, back 0.125 + 0.375 + 0.5 (the last 64 bytes: 0.0625).
    CHECK(done.wall_s() == 2 * 8 + 12 * (1.0 + 1.5 + 1.0) + 4 * (1.0 + 1.5 + 0.5625));
}

TEST_CASE("energy: what always runs, and what each kind of work takes more") {
    auto pipeline = line_of(1, {1});
    const auto schedule = resident(pipeline);
    const auto done = simulated(pipeline, schedule, {.chunks = 4});
    CHECK_FALSE(energy_j(pipeline, done));
    pipeline.places[0].power = Power{2, 3, 5, 7};
    pipeline.places[1].power = Power{};
    CHECK(*energy_j(pipeline, done) == doctest::Approx(2 * done.wall_s() + 3 * 4 + 5 * (4 * 0.5 + 4 * 0.0625) + 7 * 8));
}

TEST_CASE("a schedule for another pipeline, or one that cannot be, is refused") {
    const auto pipeline = line_of(2, {1, 1});
    CHECK_FALSE(simulate(line_of(2, {1, 1, 1}), resident(pipeline), {.chunks = 1}));
    auto schedule = resident(pipeline);
    schedule.positions[1].seats = {{0, 0}};
    CHECK_FALSE(simulate(pipeline, schedule, {.chunks = 1}));  // two on one slot, without turns
    schedule = resident(pipeline);
    schedule.positions[1].seats = {{1, 1}};
    CHECK_FALSE(simulate(pipeline, schedule, {.chunks = 1}));
    // Position 1 before position 0, again and again, with a turn for position 1 first: it waits for ever.
    schedule = by_turns(line_of(1, {1, 1}), 1, 1);
    schedule.turns[0].order = {1, 0};
    const auto still = simulate(line_of(1, {1, 1}), schedule, {.chunks = 2});
    REQUIRE_FALSE(still);
    CHECK(still.error().message.find("stands still after 0 of 2 chunks; turns that are on: position 1 on b0") != std::string::npos);
}

}  // namespace fard
