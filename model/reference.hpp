// The reference interpreter: the definition of right. Small and slow; every device agrees with it to the last
// bit on integer tensors. Integers are accumulated in 64 bits, fractions in double; rounding is half to even.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "model/graph.hpp"

namespace fard::model {

// Runs the network: one Values per graph input, in order and in the graph's shapes; the same for the outputs.
// Errors: invalid_input (number, size or kind of the inputs), failed (an accumulator left 32 bits: names the
// node).
Result<std::vector<Values>> run_reference(const Graph& graph, std::vector<Values> inputs);

// As run_reference, with every tensor in wire form (see wire_desc).
Result<std::vector<std::vector<std::byte>>> run_reference_wire(
    const Graph& graph, std::span<const std::span<const std::byte>> inputs);

// One node with the tensors that it reads (in the order of node.inputs) and makes.
struct NodeView {
    const Node& node;
    std::vector<const Tensor*> operands;
    const Tensor& output;
};

// Runs one node: one Values per operand, of the operand's shape and kind. Errors: failed (as above).
Result<Values> run_node(const NodeView& view, std::span<const Values* const> operands);

}  // namespace fard::model
