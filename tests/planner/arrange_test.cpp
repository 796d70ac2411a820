// The planner against all that can be: every seat of every position, every batch, every order of turns.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "planner/arrange.hpp"
#include "tests/planner/pipelines.hpp"

namespace fard {
namespace {

using namespace planner;

std::vector<std::vector<Seat>> everywhere(const Pipeline& pipeline) {
    std::vector<Seat> all;
    for (std::size_t i = 0; i + 1 < pipeline.places.size(); ++i)
        for (std::size_t slot = 0; slot < pipeline.places[i].slots; ++slot)
            all.push_back({i, slot});
    return std::vector<std::vector<Seat>>(pipeline.positions.size(), all);
}

// All ways to walk through `turns` turns of each position of a slot; those that stand still are among them.
void all_orders(const std::vector<std::size_t>& positions, std::size_t turns, const std::function<void(const std::vector<std::size_t>&)>& use) {
    std::vector<std::size_t> order;
    for (const auto position : positions)
        order.insert(order.end(), turns, position);
    std::ranges::sort(order);
    do use(order);
    while (std::ranges::next_permutation(order).found);
}

// The least wall of all schedules with batches of `batch`, by walking through all of them.
double least_wall(const Pipeline& pipeline, const Wish& wish, std::size_t batch) {
    const auto boards = pipeline.places.size() - 1, positions = pipeline.positions.size();
    const auto turns = (wish.run.chunks + batch - 1) / batch;
    double least = std::numeric_limits<double>::infinity();
    std::size_t seatings = 1;
    for (std::size_t i = 0; i < positions; ++i)
        seatings *= boards;
    for (std::size_t number = 0; number < seatings; ++number) {
        Schedule schedule;
        schedule.batch = batch;
        schedule.window = 100;
        std::vector<std::vector<std::size_t>> on(boards);
        auto rest = number;
        for (std::size_t i = 0; i < positions; ++i, rest /= boards) {
            auto& seats = schedule.positions.emplace_back(Placed{{{rest % boards, 0}}, 100, Staging::next}).seats;
            if (!pipeline.positions[i].parts.empty()) seats = {{0, 0}, {1, 0}};
            for (const auto& seat : seats)
                on[seat.board].push_back(i);
        }
        for (std::size_t board = 0; board < boards; ++board)
            schedule.boards.push_back("b");
        const std::function<void(std::size_t)> slot = [&](std::size_t board) {
            if (board == boards) {
                const auto done = simulate(pipeline, schedule, wish.run);
                if (done) least = std::min(least, done->wall_s());
                return;
            }
            if (on[board].size() < 2) return slot(board + 1);
            all_orders(on[board], turns, [&](const std::vector<std::size_t>& order) {
                schedule.turns.push_back({{board, 0}, order});
                slot(board + 1);
                schedule.turns.pop_back();
            });
        };
        slot(0);
    }
    return least;
}

}  // namespace

TEST_CASE("the planner finds what the enumeration of all seats, batches and orders finds") {
    std::mt19937 random(7);
    const auto upto = [&](std::size_t most) { return static_cast<std::size_t>(random() % (most + 1)); };
    for (std::size_t i = 0; i < 24; ++i) {
        std::vector<double> intervals;
        for (std::size_t k = 0; k < 3 + i % 2; ++k)
            intervals.push_back(0.25 * static_cast<double>(1 + upto(11)));
        auto pipeline = line_of(2, intervals);
        for (auto& place : pipeline.places)
            place.reload_s = static_cast<double>(upto(12));
        if (upto(2) == 0) pipeline.input_at = 0;
        Wish wish;
        wish.run.chunks = 1 + upto(i % 2 == 0 ? 5 : 2);
        wish.window = 100;
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t batch = 1; batch <= wish.run.chunks; ++batch)
            if (const auto turns = (wish.run.chunks + batch - 1) / batch; turns <= (i % 2 == 0 ? 3 : 2)) least = std::min(least, least_wall(pipeline, wish, batch));
        const auto found = arrange(pipeline, everywhere(pipeline), wish, std::numeric_limits<double>::infinity());
        REQUIRE(found);
        REQUIRE(*found);
        CAPTURE(i);
        CHECK((*found)->simulated.wall_s() <= least * (1 + 1e-9));
        CHECK((*found)->bound_s <= (*found)->simulated.wall_s() * (1 + 1e-9));
    }
}

TEST_CASE("a position in parts takes turns on a slot for each") {
    for (const double longest : {1.0, 6.0}) {
        auto pipeline = line_of(2, {1, longest, 2});
        for (auto& place : pipeline.places)
            place.reload_s = 3;
        pipeline.positions[1].parts = {pipeline.bytes_into(2) / 2, pipeline.bytes_into(2) / 2};
        Wish wish;
        wish.run.chunks = 4;
        wish.window = 100;
        wish.batch = 4;
        bool all_tried = true;
        const auto found = arrange(pipeline, everywhere(pipeline), wish, std::numeric_limits<double>::infinity(), &all_tried);
        REQUIRE(found);
        REQUIRE(*found);
        CHECK(all_tried);
        const auto& seats = (*found)->schedule.positions[1].seats;
        REQUIRE(seats.size() == 2);
        CHECK(seats[0].board != seats[1].board);
        CHECK((*found)->simulated.wall_s() == doctest::Approx(least_wall(pipeline, wish, 4)));
        CHECK((*found)->bound_s <= (*found)->simulated.wall_s() * (1 + 1e-9));
    }
}

TEST_CASE("parts share a slot where there are too few, a turn each") {
    auto pipeline = line_of(1, {1, 1, 1});
    pipeline.positions[1].parts = {1, 1};
    pipeline.places[0].reload_s = 3;
    Wish wish;
    wish.run.chunks = 4;
    wish.window = 100;
    wish.batch = 4;
    const auto found = arrange(pipeline, everywhere(pipeline), wish, 1e9);
    REQUIRE_MESSAGE(found, (found ? "" : found.error().message));
    REQUIRE(*found);
    CHECK((*found)->schedule.positions[1].seats == std::vector<Seat>{{0, 0}, {0, 0}});
    CHECK((*found)->schedule.turns == std::vector<Turns>{{{0, 0}, {0, 1, 1, 2}}});
    CHECK((*found)->simulated.reloads == 4);
    CHECK((*found)->simulated.busy[0].fabric[0] == doctest::Approx(4 * 4));
    CHECK((*found)->bound_s <= (*found)->simulated.wall_s() * (1 + 1e-9));
    // A second run: the slot holds the last position.
    wish.run.loaded = {{Held(1, 1)}};
    const auto held = arrange(pipeline, everywhere(pipeline), wish, 1e9);
    REQUIRE(held);
    CHECK((*held)->simulated.reloads == 4);  // the part that has the last turn, not the first
    wish.run.loaded = {{Held(0)}};
    CHECK((*arrange(pipeline, everywhere(pipeline), wish, 1e9))->simulated.reloads == 3);
}

TEST_CASE("parts go where their own overlay is") {
    auto pipeline = line_of(2, {1});
    pipeline.positions[0].parts = {1, 1};
    Run run;
    run.loaded = {{Held(0, 1)}, {Held(0, 0)}};
    Seating seating{{{0, 0}, {1, 0}}};
    keep_loaded(pipeline, run, seating);
    CHECK(seating == Seating{{{1, 0}, {0, 0}}});
    const auto done = arrange_seated(pipeline, seating, {.run = {.chunks = 3, .loaded = run.loaded}});
    REQUIRE(done);
    CHECK(done->simulated.reloads == 0);
}

TEST_CASE("replicas take turns, each on a slot of its own and a batch each in turn") {
    auto pipeline = line_of(2, {1, 1, 4});
    for (auto& place : pipeline.places)
        place.reload_s = 3;
    Wish wish;
    wish.run.chunks = 64;
    wish.window = 100;
    wish.batch = 16;
    const auto alone = arrange(pipeline, everywhere(pipeline), wish, 1e9);
    REQUIRE(alone);
    pipeline.positions[2].replicas = 2;
    const auto shared = arrange(pipeline, everywhere(pipeline), wish, 1e9);
    REQUIRE(shared);
    REQUIRE(*shared);
    const auto& seats = (*shared)->schedule.positions[2].seats;
    REQUIRE(seats.size() == 2);
    CHECK(seats[0] != seats[1]);
    CHECK((*shared)->simulated.wall_s() < 0.8 * (*alone)->simulated.wall_s());
    CHECK((*shared)->bound_s <= (*shared)->simulated.wall_s() * (1 + 1e-9));
    pipeline.positions[2].replicas = 3;
    const auto too_many = arrange(pipeline, everywhere(pipeline), wish, 1e9);
    REQUIRE_FALSE(too_many);
    CHECK(too_many.error().message.find("position 2 has 3 replicas and 2 slots to be on") != std::string::npos);
}

TEST_CASE("where a position has replicas, each may have all of its turns at once and be loaded once, and the bound holds for that") {
    auto pipeline = line_of(3, {1, 0.5, 0.5});
    pipeline.positions[0].replicas = 2;
    Wish wish;
    wish.run.chunks = 64;
    wish.window = 100;
    wish.batch = 8;
    const auto best = arrange(pipeline, {{{0, 0}, {1, 0}}, {{2, 0}}, {{2, 0}}}, wish, 1e9).value().value();
    CHECK(best.simulated.reloads == 4);
    CHECK(best.bound_s <= best.simulated.wall_s() * (1 + 1e-9));
    // All on two slots, each of them on both.
    pipeline = line_of(2, {1, 1, 1});
    for (auto& position : pipeline.positions)
        position.replicas = 2;
    const auto copies = arrange(pipeline, everywhere(pipeline), wish, 1e9).value().value();
    CHECK(copies.simulated.reloads == 6);
    CHECK(copies.bound_s <= copies.simulated.wall_s() * (1 + 1e-9));
}

TEST_CASE("a run of fewer batches than a position has replicas is planned all the same") {
    auto pipeline = line_of(2, {1, 1});
    for (auto& position : pipeline.positions)
        position.replicas = 2;
    for (const std::size_t chunks : {1, 3, 64}) {
        Wish wish;
        wish.run.chunks = chunks;
        const auto best = arrange(pipeline, everywhere(pipeline), wish, 1e9);
        REQUIRE_MESSAGE(best, best.error().message);
        REQUIRE(best->has_value());
        CHECK((*best)->bound_s <= (*best)->simulated.wall_s() * (1 + 1e-9));
    }
}

TEST_CASE("six positions on three boards, all at once: loads are hidden behind the other boards' work") {
    const auto pipeline = line_of(3, {1, 1, 1, 1, 1, 1});
    Wish wish;
    wish.run.chunks = 64;
    const auto best = arrange(pipeline, everywhere(pipeline), wish, 1e9).value().value();
    // 8 to load, 128 for two positions of a slot, 8 between, and what the last chunk has left.
    CHECK(best.simulated.wall_s() < 8 + 128 + 8 + 10);
    CHECK(best.bound_s > 8 + 128 + 8);
    CHECK(best.simulated.reloads == 6);
}

TEST_CASE("of more seatings than can be looked at some are drawn, with a bound that holds for all") {
    const auto pipeline = line_of(3, std::vector<double>(12, 1.0));
    Wish wish;
    wish.run.chunks = 64;
    wish.batch = 64;
    bool all_tried = true;
    const auto best = arrange(pipeline, everywhere(pipeline), wish, 1e9, &all_tried).value().value();
    CHECK_FALSE(all_tried);
    CHECK(best.bound_s >= 12 * 64 / 3);
    CHECK(best.bound_s <= best.simulated.wall_s());
    CHECK(best.simulated.wall_s() < 1.6 * best.bound_s);
}

TEST_CASE("a latency that is asked for is kept, or the least is said") {
    const auto pipeline = line_of(2, {1, 1, 1});
    Wish wish;
    wish.run.chunks = 12;
    wish.latency_s = 60;
    const auto kept = arrange(pipeline, everywhere(pipeline), wish, 1e9);
    REQUIRE(kept);
    CHECK(*std::ranges::max_element((*kept)->simulated.latency_s) <= 60);
    wish.latency_s = 1;
    const auto none = arrange(pipeline, everywhere(pipeline), wish, 1e9);
    REQUIRE_FALSE(none);
    CHECK(none.error().message.find("no batch and window keep 1000 ms") != std::string::npos);
    CHECK_FALSE(arrange(pipeline, {{}, {}, {}}, wish, 1e9));
}

TEST_CASE("a batch is no larger than the window, and boards with little memory get room for one batch") {
    const auto pipeline = line_of(2, {1, 1, 1});
    Wish wish;
    wish.run.chunks = 40;
    wish.batch = 32;
    wish.window = 8;
    CHECK(arrange(pipeline, everywhere(pipeline), wish, 1e9).value()->schedule.batch == 8);
    wish.window.reset();
    wish.batch = 10;
    wish.link_bytes = 1;
    wish.board_bytes = 22 * 512;
    const auto small = arrange(pipeline, everywhere(pipeline), wish, 1e9).value().value();
    for (const auto& placed : small.schedule.positions)
        CHECK(placed.room <= 20);
}

TEST_CASE("what boards hold already decides who sits where, and boards that hold the same are tried once") {
    const auto pipeline = line_of(3, {1, 1, 1, 1, 1, 1});
    Wish wish;
    wish.run.chunks = 4;
    const auto best = [&] { return arrange(pipeline, everywhere(pipeline), wish, std::numeric_limits<double>::infinity()).value().value(); };
    const auto cold = best();
    for (const std::size_t board : {0, 1, 2}) {  // the first position lies on one of them
        wish.run.loaded.assign(3, {std::nullopt});
        wish.run.loaded[board] = {0};
        const auto warm = best();
        CHECK(warm.schedule.positions[0].seats == std::vector<Seat>{{board, 0}});
        CHECK(warm.simulated.reloads < cold.simulated.reloads);
        CHECK(warm.simulated.wall_s() < cold.simulated.wall_s());
    }
    wish.run.loaded.assign(3, {std::nullopt});
    CHECK(best().simulated.wall_s() == cold.simulated.wall_s());
}

TEST_CASE("the tries of a search become fewer with what each of them takes") {
    CHECK(tries_for(64, 6) == 200);
    CHECK(tries_for(20'000, 6) >= 4);
    CHECK(tries_for(20'000, 6) < 20);
    CHECK(tries_for(0, 0) == 200);
}

}  // namespace fard
