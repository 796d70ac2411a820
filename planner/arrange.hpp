// The best schedule of positions on slots: who sits where, in what order, in what batches. Every candidate is measured by the
// simulation; those whose bound is no better than what was found are passed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "planner/bound.hpp"

namespace fard::planner {

struct Wish {
    Run run;                             // chunks, what is loaded
    std::optional<std::size_t> batch;    // none: the best
    std::optional<std::size_t> window;   // chunks; none: two batches and at least `most_window_bytes`
    std::optional<double> latency_s;     // no chunk takes longer
    std::uint64_t window_bytes = 8 << 20, link_bytes = 4 << 20;
    std::uint64_t board_bytes = 256 << 20;  // of chunks that wait on a board
    std::size_t tries = 200;                // simulations, at most
};

// Simulations for a search that takes seconds.
std::size_t tries_for(std::size_t chunks, std::size_t positions);

struct Arranged {
    Schedule schedule;
    Simulated simulated;
    double bound_s = 0;    // no other seats, orders and batches of these positions have a shorter wall
    bool all_tried = true;  // nothing that might be better was left out
};

// Each position on one of `allowed` (by position), or on one for each of its parts or replicas; parts share slots only where there
// are too few. `better_than`: a wall that is known already; without anything better there is no result. `all_tried` becomes
// false where something that might be better was left out. Errors: refused (positions have no place; none keeps the latency: the
// least there is), those of simulate().
Result<std::optional<Arranged>> arrange(const Pipeline& pipeline, const std::vector<std::vector<Seat>>& allowed, const Wish& wish,
                                        double better_than, bool* all_tried = nullptr);

// What a seating's slots hold already is kept: parts of a position change places for it.
void keep_loaded(const Pipeline& pipeline, const Run& run, Seating& seating);

// Seats that are given: replicas, parts, a slot for each.
Result<Arranged> arrange_seated(const Pipeline& pipeline, const Seating& seating, const Wish& wish);

}  // namespace fard::planner
