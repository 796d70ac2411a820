// Operators that stand for several simple ones.
#pragma once

#include <string>

#include "base/result.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

// Replaces them in the file's graph: QLinear operators by DequantizeLinear, the operator on fractions and
// QuantizeLinear; ConvInteger and MatMulInteger by subtractions and the operator on integers; QONNX's
// quantizers by one node that makes integers and one that says what they stand for; TopK by one node for each
// of its results. Drops the results that nothing reads. Nodes keep the index of the node that they come from;
// tensors between them get names that the file does not have. Returns whether there was any to replace.
// Errors: invalid_input (a number of operands that does not fit), naming the node.
Result<bool> expand_operators(RawGraph& raw);

std::vector<std::string> expanded_operators();  // their names

}  // namespace fard::model
