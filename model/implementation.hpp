// What a Model is made of; for model.cpp and cut.cpp.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/model.hpp"
#include "model/onnx_file.hpp"

namespace fard::model {

struct Model::Implementation {
    std::string where;  // the file, for messages
    OnnxFile file;
    Graph graph;
    std::vector<std::size_t> files_nodes;  // of each node of the graph: its index in the file
    bool altered = false;                  // the graph has other nodes than the file

    static const Implementation& of(const Model& model) { return *model.implementation_; }
};

// The nodes that `tensors` are computed by, over all steps.
std::set<NodeId> ancestors(const Graph& graph, const std::vector<TensorId>& tensors);

// The tensors that are there after the nodes `before` and are read by others, or are outputs of the network:
// what must cross a cut after `before`. Ascending; no constants.
std::vector<TensorId> crossing(const Graph& graph, const std::set<NodeId>& before);

}  // namespace fard::model
