// From what a file says to the typed graph.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

struct Built {
    Graph graph;
    std::vector<std::size_t> files_nodes;  // for each node of the graph, its index in the file
};

// Sorts, types, folds constants, and drops what no output needs. Takes the constants out of `raw`. Errors:
// corrupt (cycles, tensors made twice or never), invalid_input (operands, attributes, annotations that do not
// fit), unsupported (operators, types, sizes); each names the node.
Result<Built> build_graph(RawGraph raw);

}  // namespace fard::model
