// A plan in words: what holds it back, what would help, and why there is none.
#pragma once

#include <string>
#include <vector>

#include "splitter/search/search.hpp"

namespace fard::splitter {

std::string board_names(const Cluster& cluster, const PlannedStage& stage);  // "zedboard-1, zedboard-2"

// What is busiest, with how much, and what would relieve it.
struct Bottleneck {
    std::string what;    // "the fabric of zedboard-2, layer 'Conv_5': 12.5 ms for each chunk"
    std::string relief;  // "a folding of it with fewer cycles, or a replica; then 93.1/s, bound by ..."
};
Bottleneck bottleneck_of(const Network& network, const Cluster& cluster, const Found& found);

// Why no plan fits: layers that no board holds alone, with the resource, by how much and the smallest change that fits; else
// how many more boards. `others`: boards of further profiles that might. One line for each cause.
std::vector<std::string> why_nothing_fits(const Network& network, const Cluster& cluster, const std::vector<Board>& others);

// The plan that takes the fewest slots of such boards, one for each stage or part, and how many these are. None: they hold no plan.
std::optional<Plan> in_fewest_slots(const Network& network, const Cluster& cluster);
std::optional<std::size_t> fewest_slots(const Network& network, const Cluster& cluster);

}  // namespace fard::splitter
