// The layer view: a typed graph as the layers that a device computes, in the network's order. Devices compile from it,
// estimates are made of it, cuts lie between its layers. It points into the graph and changes nothing there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/graph.hpp"

namespace fard::model {

enum class LayerKind : std::uint8_t {
    matrix,       // vectors times a constant matrix: MatMul, Gemm
    convolution,  // windows times a constant matrix, in one group or several
    depthwise,    // windows of each channel by itself
    product,      // of two tensors that are both computed
    threshold,  // an integer to another, by thresholds or by scale: MultiThreshold, Requantize, Quantize of integers
    max_pool,
    average_pool,
    global_pool,  // sum or mean over all pixels of a channel
    add,          // of two or more tensors, a requantize of them included
    channelwise,  // Add, Sub, Mul or Div with constants that depend on the channel at most
    concat,
    move,         // Reshape, Flatten, Transpose, Slice, Gather, Pad: elements as they are
    select,       // ArgMax, TopK
    quantize,     // fractions to integers
    dequantize,   // integers to fractions
    elementwise,  // any other function of the elements at one place
    other,        // reductions, Softmax, Resample, ...
};
std::string_view name_of(LayerKind kind);  // "matrix"

// What a pixel of the result is computed from. All ones, and no padding, where there is no window.
struct LayerWindow {
    Extent2 kernel, strides, dilations;
    Pads pads;
    Extent2 input, output;  // pixels, without padding
    friend bool operator==(const LayerWindow&, const LayerWindow&) = default;
};

struct LayerWeights {
    TensorId tensor = 0;
    DataType type;       // as the graph has it: BIPOLAR stays BIPOLAR
    DataType narrowest;  // that holds what there is; BIPOLAR where `type` is, FLOAT32 for fractions
    std::int64_t count = 0;
};

// What makes a layer's results of its accumulators: a MultiThreshold, a Requantize or a Quantize of integers, or several.
struct LayerActivation {
    std::vector<NodeId> nodes;  // each reads what the one before it makes
    std::int64_t steps = 0;     // results of the last one beside the lowest
    bool per_channel = false;
};

// Constants that are added to the accumulators, one for each output channel or one for all.
struct LayerBias {
    TensorId tensor = 0;
    int sign = 1;  // -1: they are subtracted
};

struct Layer {
    std::string name;  // unique within the network
    LayerKind kind = LayerKind::other;
    std::vector<NodeId> nodes;  // ascending: what computes, its bias, its activation
    std::vector<TensorId>
        inputs;  // that are computed or are inputs of the network, in the order of the operands
    std::vector<std::optional<std::size_t>>
        reads;  // for each input the layer that makes it; none: the network's input
    TensorId output = 0;
    std::size_t fan_out =
        0;  // operands of other layers that it is, and 1 for each time it is a result of the network

    std::int64_t mw = 0,
                 mh =
                     0;  // matrix: inputs of one output, within its group, and outputs; 0 where there is none
    std::int64_t groups = 1;
    LayerWindow window;
    int channel_axis = 0;  // the dimension of the result that counts output_channels
    std::int64_t input_channels = 1, output_channels = 1;
    std::int64_t vectors = 1;  // of output_channels elements each, of the whole result

    DataType input_type;  // of inputs[0]
    DataType output_type;
    std::optional<LayerWeights> weights;
    std::vector<LayerBias> biases;     // in the order in which they are added
    std::optional<Range> accumulator;  // integers, before the activation; none: fractions
    std::optional<LayerActivation> activation;

    std::int64_t macs = 0;
    std::int64_t parameters = 0;  // elements of weights and biases

    int accumulator_bits() const;  // of the narrowest type that holds the accumulator; 32 for fractions
};

struct LayerView {
    const Graph* graph = nullptr;       // outlives the view
    std::vector<Layer> layers;          // what a layer reads lies before it
    std::vector<std::size_t> layer_of;  // by NodeId
};

// Every node of the graph is in exactly one layer. Linear in the graph.
LayerView layers_of(const Graph& graph);

}  // namespace fard::model
