// Every way to cut and to fold a small network, for positions that take turns.
#pragma once

#include <optional>
#include <vector>

#include "splitter/cost/plan.hpp"

namespace fard::planner {

// Foldings of a stage that others beat: with fewer cycles and a smaller latency. Mostly they are of no use; but where stages wait for
// each other's turns, one that is later may let everything end sooner.
enum class Beaten { kept, left_out };

// Stage i of each plan is on a board of copy i of the cluster's boards (repeated(), planner/plan.hpp), the first with its fabric; of
// foldings with the same cycles and latency there is one. One replica each, no parts. None: there are more than `most`, or a stage has
// more foldings than can be looked at.
std::optional<std::vector<splitter::Plan>> every_plan(const splitter::Network& network, const splitter::Cluster& cluster,
                                                      std::optional<std::size_t> stages, std::size_t most, Beaten beaten);

}  // namespace fard::planner
