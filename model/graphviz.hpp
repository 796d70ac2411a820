// A network as a drawing.
#pragma once

#include <string>

#include "model/graph.hpp"

namespace fard::model {

// Graphviz's language (`dot -Tsvg`): one box for each node with its operator and parameters, one edge for each tensor
// with its shape and type. Constants are not drawn.
std::string graphviz(const Graph& graph);

}  // namespace fard::model
