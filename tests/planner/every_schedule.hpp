// Every plan in turns of a small problem, one after the other: cuts, foldings, boards, replicas and orders. Shares nothing with the planner
// but the simulation.
#pragma once

#include <cstddef>
#include <limits>

#include "splitter/cost/cluster.hpp"
#include "splitter/network.hpp"

namespace fard {

struct EverySchedule {
    double wall_s = std::numeric_limits<double>::infinity();
    std::size_t simulated = 0;
    std::size_t standing = 0;  // of those that stand still
};

// The least wall of so many chunks in batches of `batch`, where each board holds one stage at a time, and with several batches a stage may
// be on all boards of a kind; a round of turns is then one batch, or as many as there are. `orders`: those that must stand still are followed
// as well.
EverySchedule try_every_schedule(const splitter::Network& network, const splitter::Cluster& cluster, std::size_t chunks, std::size_t batch,
                                 bool orders);

}  // namespace fard
