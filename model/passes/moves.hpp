// Operators that only move elements, or pick some of them.
#pragma once

#include <optional>

#include "model/graph.hpp"

namespace fard::model {

// Whether any function of one element that does not decrease may be computed before it or behind it.
bool only_moves(const Node& node);

// Where the dimension `axis` of x is in the result, with the same elements at each index; none if it is
// nowhere.
std::optional<int> moved_axis(const Node& node, const Shape& from, const Shape& to, int axis);

}  // namespace fard::model
