// Small pipelines for tests, in round numbers: a place moves 1,000 bytes/s each way with 0.25 s of latency, and its processor
// takes 0.125 s for a chunk; the client's takes nothing. All are sums of powers of two where tests compare them exactly.
#pragma once

#include "planner/simulate.hpp"

namespace fard::planner {

inline Place board_place(const std::string& name, std::size_t slots = 1) {
    Place place{.name = name, .way = {1024, 0.25}};
    place.host_s_per_chunk = 0.125;
    place.slots = slots;
    place.reload_s = 8;
    return place;
}

// `intervals` of positions whose latency is `more` above; each hands on 512 bytes.
inline Pipeline line_of(std::size_t boards, const std::vector<double>& intervals, double more = 0.5) {
    Pipeline pipeline;
    for (std::size_t i = 0; i < boards; ++i)
        pipeline.places.push_back(board_place("b" + std::to_string(i)));
    pipeline.places.push_back({.name = "client", .way = {4096, 0.125}});
    pipeline.input_at = pipeline.output_at = boards;
    for (const auto interval : intervals)
        pipeline.positions.push_back({.name = "p", .interval_s = interval, .latency_s = interval + more, .bytes_in = 512});
    pipeline.bytes_out = 64;
    return pipeline;
}

// Each position on a slot of its own, the i-th on board i.
inline Schedule resident(const Pipeline& pipeline, std::size_t room = 4, std::size_t window = 64) {
    Schedule schedule;
    schedule.window = window;
    for (std::size_t i = 0; i + 1 < pipeline.places.size(); ++i)
        schedule.boards.push_back(pipeline.places[i].name);
    for (std::size_t i = 0; i < pipeline.positions.size(); ++i)
        schedule.positions.push_back({{{i, 0}}, room, Staging::next});
    return schedule;
}

// Position p on board p modulo their number, one turn of each a round.
inline Schedule by_turns(const Pipeline& pipeline, std::size_t batch, std::size_t window = 64) {
    auto schedule = resident(pipeline, batch, window);
    schedule.batch = batch;
    const auto boards = schedule.boards.size();
    for (std::size_t i = 0; i < pipeline.positions.size(); ++i)
        schedule.positions[i].seats = {{i % boards, 0}};
    for (std::size_t board = 0; board < boards; ++board) {
        Turns turns{{board, 0}, {}};
        for (std::size_t i = board; i < pipeline.positions.size(); i += boards)
            turns.order.push_back(i);
        if (turns.order.size() > 1) schedule.turns.push_back(turns);
    }
    return schedule;
}

inline std::vector<std::vector<std::optional<Held>>> all_loaded(const Pipeline& pipeline, const Schedule& schedule) {
    std::vector<std::vector<std::optional<Held>>> loaded(pipeline.places.size(), std::vector<std::optional<Held>>(64));
    for (std::size_t i = schedule.positions.size(); i-- > 0;)
        for (std::size_t job = 0; job < schedule.positions[i].seats.size(); ++job) {
            const auto& seat = schedule.positions[i].seats[job];
            loaded[seat.board][seat.slot] = Held(i, pipeline.positions[i].parts.empty() ? 0 : job);
        }
    return loaded;
}

}  // namespace fard::planner
