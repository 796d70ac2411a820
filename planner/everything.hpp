// Every way to cut and to fold a small network, for positions that take turns.
#pragma once

#include <optional>
#include <vector>

#include "splitter/cost/plan.hpp"

namespace fard::planner {

// Stage i of each plan is on a board of copy i of the cluster's boards (repeated(), planner/plan.hpp), the first with its fabric; by
// its foldings no other stage of the same layers there has both fewer cycles and a smaller latency. One replica each, no parts. None:
// there are more than `most`, or a stage has more foldings than can be looked at.
std::optional<std::vector<splitter::Plan>> every_plan(const splitter::Network& network, const splitter::Cluster& cluster,
                                                      std::optional<std::size_t> stages, std::size_t most);

}  // namespace fard::planner
