// A network as a table for people, and the figures in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/graph.hpp"

namespace fard::model {

// Multiplications with a weight or another operand, accumulated: those of Conv, MatMul and Gemm; 0 for all
// others.
std::int64_t multiply_accumulates(const Graph& graph, const Node& node);

// Elements of the node's constants.
std::int64_t parameters(const Graph& graph, const Node& node);

// One line per node (name, operator, shape, type and bytes of its result as it travels, parameters, MACs, and the result's
// name where the network can be cut there), and one with the sums. `cuts`: Model::cut_tensors.
std::string layer_table(const Graph& graph, const std::vector<std::string>& cuts);

// Bytes of the network's constants in wire form.
std::uint64_t parameter_bytes(const Graph& graph);

std::string grouped(std::int64_t number);  // "1,234,567"

}  // namespace fard::model
