// Operators that fard runs on constants alone, when a model is read: what exporters write to compute shapes.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

// Whether `node` is ConstantOfShape, Equal, Expand, Range, Where, or a DequantizeLinear with a scale for each block.
bool makes_constants(const RawNode& node);
std::vector<std::string> constant_operators();  // their names

// Its result. `may_make` says whether so many elements are allowed. Errors: invalid_input, unsupported (operands that
// are not constants; too many elements).
Result<RawTensor> make_constant(const RawNode& node, const std::vector<const Tensor*>& operands,
                                const std::function<bool(const Shape&)>& may_make);

}  // namespace fard::model
