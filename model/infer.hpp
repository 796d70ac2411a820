// Bounds of integer results.
#pragma once

#include <optional>
#include <span>

#include "model/bounds.hpp"

namespace fard::model {

// What the elements of a node's result keep to, from the bounds and constants of its operands; none where
// they are fractions. `output` is the result's shape.
std::optional<Bounds> result_bounds(Op op, const Attributes& attributes,
                                    std::span<const Tensor* const> operands, const Shape& output);

}  // namespace fard::model
