// A network as a table for people, and the figures in it.
#pragma once

#include <cstdint>
#include <string>

#include "model/graph.hpp"

namespace fard::model {

// Multiplications with a weight or another operand, accumulated: those of Conv, MatMul and Gemm; 0 for all
// others.
std::int64_t multiply_accumulates(const Graph& graph, const Node& node);

// Elements of the node's constants.
std::int64_t parameters(const Graph& graph, const Node& node);

// One line per node (name, operator, shape and type of its result, parameters, MACs), and one with the sums.
std::string layer_table(const Graph& graph);

}  // namespace fard::model
