// The shortest way of one chunk from the input to the result.
#pragma once

#include <optional>
#include <vector>

#include "splitter/search/problem.hpp"

namespace fard::splitter {

struct Quickest {
    std::optional<Plan> plan;
    double latency_s = 0;
    double bound_s = 0;  // no plan is below
};

// `known`: plans that exist already; the answer is no worse than any of them.
Quickest smallest_latency(Problem& problem, std::optional<std::size_t> stages, const std::vector<Plan>& known);

}  // namespace fard::splitter
