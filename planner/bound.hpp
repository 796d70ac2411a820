// What no schedule can be below: seconds for a whole run, from what every board, processor and way has to do.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "planner/simulate.hpp"

namespace fard::planner {

// Where each position is: its seats. Nothing is said of the order of turns.
using Seating = std::vector<std::vector<Seat>>;

struct Batches {
    std::size_t least = 1, most = 1;
    bool each_turn_loads = false;  // turns of one position never follow each other on a slot that it shares
};

// No schedule with these seats, such batches and what is loaded has the last result earlier. Three things hold
// for each of them: a position begins when its first chunk can be there, and where others before it have the same slot, when
// they have had a turn and it is loaded; a slot has to compute all chunks of its positions, and to load for each turn;
// every processor and way has to carry all chunks between when the first can be there and what comes behind the last.
double wall_bound_s(const Pipeline& pipeline, const Seating& seating, const Batches& batches, const Run& run);

// The busiest thing of a run, and the share of the time that it is at work: "the network into b0", 0.97.
struct Limit {
    std::string what;
    double share = 0;
};
Limit limit_of(const Pipeline& pipeline, const Simulated& simulated);

// How long the busiest thing is at work for a chunk, loads left out: no pipeline whose stages stay loaded has a shorter time
// between two results.
double period_s(const Simulated& simulated);

}  // namespace fard::planner
