// Draws pipelines and schedules by a seed and prints each with what the simulation says of it, one JSON object a line, for
// schedules.py to say the same of them by itself.
#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>

#include "planner/arrange.hpp"

using namespace fard;
using namespace fard::planner;
using nlohmann::json;

namespace {

struct Drawn {
    Pipeline pipeline;
    Schedule schedule;
    Run run;
};

class Draw {
  public:
    explicit Draw(std::uint32_t seed) : random_(seed) {}

    Drawn one() {
        Drawn drawn;
        const auto boards = 1 + upto(3);
        for (std::size_t i = 0; i <= boards; ++i)
            drawn.pipeline.places.push_back(place(i));
        drawn.pipeline.input_at = upto(2) == 0 ? upto(boards) : boards;
        drawn.pipeline.output_at = upto(2) == 0 ? upto(boards) : boards;
        if (upto(2) == 0) drawn.pipeline.coordinator = upto(boards - 1);
        const auto positions = 1 + upto(5);
        for (std::size_t i = 0; i < positions; ++i)
            drawn.pipeline.positions.push_back(position());
        drawn.pipeline.bytes_out = 1 + upto(5'000);
        drawn.run.chunks = 1 + upto(24);
        if (upto(3) == 0) drawn.run.every_s = real(0, 2);
        upto(1) == 0 ? resident(drawn, boards) : by_turns(drawn, boards);
        for (std::size_t i = 0; i < boards; ++i)
            drawn.schedule.boards.push_back(fmt::format("b{}", i));
        return drawn;
    }

  private:
    std::size_t upto(std::size_t most) { return static_cast<std::size_t>(random_() % (most + 1)); }
    double real(double low, double high) { return low + (high - low) * static_cast<double>(random_()) / 4294967296.0; }

    Place place(std::size_t number) {
        Place place{.name = fmt::format("b{}", number), .way = {real(500, 50'000), real(0, 0.1)}};
        place.host_s_per_chunk = real(0, 0.2);
        place.host_s_per_byte = real(0, 1e-4);
        place.slots = 8;
        place.reload_s = real(0, 5);
        return place;
    }

    Position position() {
        Position position{.name = "p", .interval_s = real(0.01, 2), .bytes_in = 1 + upto(5'000)};
        position.latency_s = position.interval_s + real(0, 1);
        if (upto(4) == 0) {
            position.on = Position::On::processor;
            position.latency_s = position.interval_s;
        }
        return position;
    }

    void resident(Drawn& drawn, std::size_t boards) {
        drawn.schedule.window = 1 + upto(20);
        for (std::size_t i = 0; i < drawn.pipeline.positions.size(); ++i) {
            Placed placed{{}, 1 + upto(5), Staging::next};
            const auto seats = 1 + (upto(2) == 0 ? upto(2) : 0);
            for (std::size_t k = 0; k < seats; ++k)
                placed.seats.push_back({upto(boards - 1), i});
            std::ranges::sort(placed.seats, {}, &Seat::board);
            placed.seats.erase(std::unique(placed.seats.begin(), placed.seats.end()), placed.seats.end());
            const bool behind_parts = i > 0 && !drawn.pipeline.positions[i - 1].parts.empty();
            if (placed.seats.size() > 1 && !behind_parts && upto(1) == 0)
                for (std::size_t k = 0; k < placed.seats.size(); ++k)
                    drawn.pipeline.positions[i].parts.push_back(1 + upto(2'000));
            drawn.schedule.positions.push_back(std::move(placed));
        }
        // Two that ask a processor at the same moment are served in an order that nothing defines; so are the pieces of parts
        // that go to parts.
        for (std::size_t i = 0; i < drawn.pipeline.positions.size(); ++i)
            if (drawn.pipeline.positions[i].on == Position::On::processor && has_neighbours(drawn.schedule, i))
                drawn.pipeline.positions[i].on = Position::On::fabric;
        for (std::size_t i = 0; i < drawn.pipeline.positions.size(); ++i)
            if (has_neighbours(drawn.schedule, i)) drawn.pipeline.positions[i].parts.clear();
    }

    static bool has_neighbours(const Schedule& schedule, std::size_t position) {
        for (std::size_t i = 0; i < schedule.positions.size(); ++i)
            for (const auto& seat : schedule.positions[i].seats)
                for (const auto& mine : schedule.positions[position].seats)
                    if (i != position && seat.board == mine.board) return true;
        return false;
    }

    // Positions 0 and 3, 1 and 4, ... share a slot. Some have a seat more: a replica on the next board, or a part there or on the same slot.
    void by_turns(Drawn& drawn, std::size_t boards) {
        auto& positions = drawn.pipeline.positions;
        drawn.schedule.batch = 1 + upto(5);
        drawn.schedule.window = drawn.schedule.batch + upto(20);
        const bool alone = upto(1) == 0;
        for (std::size_t i = 0; i < positions.size(); ++i) {
            const auto board = i % boards;
            Placed placed{{{board, 0}}, drawn.schedule.batch + upto(6), alone && upto(2) == 0 ? Staging::here : Staging::next};
            const bool behind_parts = i > 0 && !positions[i - 1].parts.empty();
            if (!alone && upto(1) == 0 && !behind_parts && positions[i].on == Position::On::fabric) {
                const auto other = upto(1) == 0 ? board : (board + 1) % boards;
                placed.seats.push_back({other, 0});
                if (other == board || upto(1) == 0) positions[i].parts = {1 + upto(2'000), 1 + upto(2'000)};
            }
            drawn.schedule.positions.push_back(std::move(placed));
        }
        for (std::size_t board = 0; board < boards; ++board) {
            Turns turns{{board, 0}, {}};
            for (std::size_t batch = 0; batch < 2; ++batch)
                for (std::size_t i = 0; i < positions.size(); ++i)
                    for (std::size_t k = 0; k < drawn.schedule.positions[i].seats.size(); ++k) {
                        const auto& seats = drawn.schedule.positions[i].seats;
                        const bool theirs = positions[i].parts.empty() && seats.size() > 1 && batch != k;  // the other replica's
                        if (seats[k] == turns.slot && !theirs) turns.order.push_back(i);
                    }
            if (std::ranges::any_of(turns.order, [&](std::size_t i) { return i != turns.order.front(); }) || shares_slot(drawn.schedule, turns.slot))
                drawn.schedule.turns.push_back(std::move(turns));
        }
    }

    static bool shares_slot(const Schedule& schedule, const Seat& slot) {
        return std::ranges::any_of(schedule.positions, [&](const Placed& placed) { return std::ranges::count(placed.seats, slot) > 1; });
    }

    std::mt19937 random_;
};

json json_of(const Drawn& drawn, const Simulated& done) {
    json places = json::array(), positions = json::array(), turns = json::array();
    for (const auto& place : drawn.pipeline.places)
        places.push_back({place.way.bytes_per_s, place.way.latency_s, place.host_s_per_chunk, place.host_s_per_byte, place.reload_s});
    for (std::size_t i = 0; i < drawn.pipeline.positions.size(); ++i) {
        const auto& position = drawn.pipeline.positions[i];
        const auto& placed = drawn.schedule.positions[i];
        json seats = json::array();
        for (const auto& seat : placed.seats)
            seats.push_back({seat.board, seat.slot});
        positions.push_back({{"processor", position.on == Position::On::processor}, {"interval", position.interval_s}, {"latency", position.latency_s},
                             {"bytes", position.bytes_in}, {"parts", position.parts}, {"seats", seats}, {"room", placed.room},
                             {"here", placed.staging == Staging::here}});
    }
    for (const auto& slot : drawn.schedule.turns)
        turns.push_back({{"board", slot.slot.board}, {"order", slot.order}});
    return {{"places", places}, {"positions", positions}, {"turns", turns}, {"bytes_out", drawn.pipeline.bytes_out},
            {"input", drawn.pipeline.input_at}, {"output", drawn.pipeline.output_at},
            {"coordinator", drawn.pipeline.coordinator ? json(*drawn.pipeline.coordinator) : json()}, {"chunks", drawn.run.chunks}, {"every", drawn.run.every_s},
            {"batch", drawn.schedule.batch}, {"window", drawn.schedule.window}, {"delivered", done.delivered_s}, {"reloads", done.reloads}};
}

}  // namespace

int main(int argc, char** argv) {
    const auto count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100;
    for (std::uint32_t seed = 0; seed < count; ++seed) {
        const auto drawn = Draw(seed).one();
        const auto done = simulate(drawn.pipeline, drawn.schedule, drawn.run);
        if (!done) {
            fmt::print(stderr, "seed {}: {}\n", seed, done.error().message);
            return 1;
        }
        fmt::print("{}\n", json_of(drawn, *done).dump());
    }
    return 0;
}
