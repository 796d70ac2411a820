// What a node is to a layer: its main operator, its bias or its activation.
#pragma once

#include "model/layers/layers.hpp"

namespace fard::model {

// Who reads each tensor of a graph.
class Readers {
  public:
    explicit Readers(const Graph& graph);
    // The node that alone reads it, once; none where it is an output of the network as well.
    std::optional<NodeId> sole(TensorId id) const;

  private:
    std::vector<std::uint32_t> count_;
    std::vector<NodeId> last_;
};

LayerKind kind_of(const Graph& graph, const Node& node);
bool takes_bias(LayerKind kind);
bool takes_activation(LayerKind kind);

// The dimension that counts channels: 1 of NCHW, else the last one.
int channel_axis(const Tensor& tensor);
// The same of what a node makes: a matrix product makes its outputs along the last one, whatever the image is.
int channel_axis_of_result(const Graph& graph, const Node& node);

struct FoundWeights {
    TensorId tensor;
    std::int64_t inputs, outputs;  // of the matrix; inputs within a group
};
// The constant matrix of a product; none where both operands are computed, or the constant one has more dimensions.
std::optional<FoundWeights> weights_of(const Graph& graph, const Node& node);

// If `node` adds or subtracts a constant that depends on the index along `axis` of `x` at most, and leaves its shape.
std::optional<LayerBias> bias_of(const Graph& graph, const Node& node, TensorId x, int axis);

// A MultiThreshold, a Requantize of one tensor or several, or a Quantize of integers.
std::optional<LayerActivation> activation_of(const Graph& graph, NodeId node);
// Whether its thresholds or scales depend on the index along `axis` at most.
bool is_along_channels(const Graph& graph, const Node& activation, int axis);

}  // namespace fard::model
