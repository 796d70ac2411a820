// Every plan of a small problem, one after the other. Shares nothing with the search.
#pragma once

#include <limits>

#include "splitter/cost/plan.hpp"

namespace fard {

struct Exhaustive {
    double period_s = std::numeric_limits<double>::infinity();
    double latency_s = std::numeric_limits<double>::infinity();
    std::size_t plans = 0;
};

// The best of each over all cuts, foldings, boards and replicas.
Exhaustive try_everything(const splitter::Network& network, const splitter::Cluster& cluster);

}  // namespace fard
