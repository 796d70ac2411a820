// Steps for operators of every kind of element and every broadcast: what has a row in model/tables.hpp, and others of that
// kind. They compute in double, as the reference interpreter does and in its order, block by block.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "overlays/soft/steps/feeds.hpp"

namespace fard::soft {

// `count` elements of the result, from as many of each operand.
using BlockFunction = std::function<void(const double* const* from, double* to, std::size_t count)>;

// Of at most so many operands.
inline constexpr std::size_t most_feeds = 8;
StepPtr make_broadcast_step(std::vector<Feed> feeds, const Outcome& outcome, BlockFunction function);

// One behind the other along a dimension.
StepPtr make_join_step(const std::vector<Feed>& feeds, const Outcome& outcome, int axis);

// Sums, means and reductions over whole dimensions. The node must outlive the step.
StepPtr make_reduce_step(const Feed& feed, const Outcome& outcome, const model::Node& node);

// Weighted sums along one dimension. The attributes must outlive the step.
StepPtr make_resample_step(const Feed& feed, const Outcome& outcome, const model::ResampleAttributes& attributes);

// Each line along one dimension by itself: `function` makes outputs (as many as there are along it) of inputs.
using LineFunction = std::function<void(const double* from, std::size_t inputs, double* to, std::size_t outputs)>;
StepPtr make_line_step(const Feed& feed, const Outcome& outcome, int axis, LineFunction function);

// Rows of a table by computed indices. Nothing where the elements do not lie in the graph's order.
StepPtr make_lookup_step(const Feed& table, const Feed& indices, const Outcome& outcome, int axis);

}  // namespace fard::soft
