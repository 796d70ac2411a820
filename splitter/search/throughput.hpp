// The shortest period, by halving what lies between a period that a plan keeps and one that is refuted.
#pragma once

#include <optional>

#include "splitter/search/lattice.hpp"
#include "splitter/search/problem.hpp"

namespace fard::splitter {

struct Shortest {
    std::optional<Plan> plan;
    double period_s = 0;
    double bound_s = 0;  // no plan is below
};

// `known`: plans that exist already; the answer is no worse than any of them.
Shortest shortest_period(Problem& problem, std::optional<std::size_t> stages, const std::vector<Plan>& known);

}  // namespace fard::splitter
