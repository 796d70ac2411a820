// What no plan in turns can be below, whatever its cuts, foldings, seats and orders.
#pragma once

#include <cstddef>
#include <optional>

#include "splitter/cost/cluster.hpp"
#include "splitter/network.hpp"

namespace fard::splitter {
class Solvers;
}

namespace fard::planner {

// Seconds for so many chunks in batches of at least `batch`, from nothing loaded to the last result, where each stage has one seat for each
// part or replica and some slot has several. Four things hold for each plan: all slots together have to compute all stages for all chunks and to
// load each of them, and each replica; one slot has to compute the slowest layer at its fastest for all chunks, or for its share of them where
// there are several batches, and so replicas; a client has to send and to take all chunks; and where there is one batch, what is loaded
// second on a slot is so after all chunks have come. `stages`: exactly so many. `solvers`: of the network, from searches before; may be null.
double least_wall_s(const splitter::Network& network, const splitter::Cluster& cluster, std::size_t chunks, std::size_t batch,
                    std::optional<std::size_t> stages = {}, splitter::Solvers* solvers = nullptr);

}  // namespace fard::planner
