// Finds linear layers in a graph: a Conv, MatMul or Gemm with constant integer weights, the constant bias
// added to it, and the MultiThreshold behind that.
#pragma once

#include <optional>

#include "overlays/soft/steps/linear_step.hpp"

namespace fard::soft {

// A layer, and the tensor with which it ends. The storages are in place; the buffers are the caller's to
// give.
struct FoundLayer {
    LinearLayer layer;
    model::TensorId input = 0, output = 0;
    std::vector<const model::Node*> nodes;  // that the layer stands for
};

// What is known of each tensor of a graph, by its id.
struct Readers {
    std::vector<const model::Node*>
        sole;  // the one node that reads it; nullptr if it is an output or has other readers
    std::vector<bool>
        signs_only;  // it has no values but -1 and 1, or comes from such a tensor by operators that only choose and move
};
Readers readers_of(const model::Graph& graph);

// Nothing if `node` begins no linear layer. Candidates come with as many nodes as possible first.
std::vector<FoundLayer> find_linear(const model::Graph& graph, const model::Node& node,
                                    const Readers& readers);

}  // namespace fard::soft
