#include "model/layers/find.hpp"

#include <algorithm>

namespace fard::model {
namespace {

// A constant that, broadcast to the shape of `x`, depends on the index along `channels` at most.
bool is_per_channel(const Tensor& constant, const Tensor& x, int channels) {
    if (constant.elements() == 1) return constant.shape.size() <= x.shape.size();
    if (constant.shape.size() > x.shape.size()) return false;
    const auto lead = x.shape.size() - constant.shape.size();
    const auto axis = static_cast<std::size_t>(channels);
    for (std::size_t i = 0; i < constant.shape.size(); ++i)
        if (constant.shape[i] != 1 && (i + lead != axis || constant.shape[i] != x.shape[axis])) return false;
    return true;
}

LayerKind kind_of_pair(const Graph& graph, const Node& node) {
    const bool first = graph[node.inputs[0]].is_constant(), second = graph[node.inputs[1]].is_constant();
    if (!first && !second) return node.op == Op::add ? LayerKind::add : LayerKind::elementwise;
    const auto& x = graph[node.inputs[first ? 1 : 0]];
    const bool fits = x.shape == graph[node.outputs[0]].shape &&
                      is_per_channel(graph[node.inputs[first ? 0 : 1]], x, channel_axis(x));
    return fits && !(first && node.op == Op::div) ? LayerKind::channelwise : LayerKind::elementwise;
}

LayerKind kind_of_conv(const Graph& graph, const Node& node) {
    const auto groups = node.as<ConvAttributes>().group;
    const auto& weights = graph[node.inputs[1]];
    if (groups == 1 || weights.shape[1] != 1) return LayerKind::convolution;
    // What the passes make of an AveragePool of integers.
    const bool sums =
        weights.type == DataType::uint(1) && weights.range == Range{1, 1} && node.inputs.size() == 2;
    return sums ? LayerKind::average_pool : LayerKind::depthwise;
}

bool is_over_pixels(const Node& node, const Tensor& x) {
    const auto& axes = node.as<ReduceAttributes>().axes;
    return (x.layout == Layout::nchw && axes == std::vector<int>{2, 3}) ||
           (x.layout == Layout::nhwc && axes == std::vector<int>{1, 2});
}

}  // namespace

Readers::Readers(const Graph& graph) : count_(graph.tensors.size()), last_(graph.tensors.size()) {
    for (NodeId node = 0; node < graph.nodes.size(); ++node)
        for (const auto id : graph.nodes[node].inputs)
            ++count_[id], last_[id] = node;
    for (const auto id : graph.outputs)
        count_[id] += 2;
}

std::optional<NodeId> Readers::sole(TensorId id) const {
    return count_[id] == 1 ? std::optional(last_[id]) : std::nullopt;
}

LayerKind kind_of(const Graph& graph, const Node& node) {
    switch (node.op) {
        case Op::conv:
            return kind_of_conv(graph, node);
        case Op::gemm:
        case Op::matmul:
            return weights_of(graph, node) ? LayerKind::matrix : LayerKind::product;
        case Op::multi_threshold:
            return LayerKind::threshold;
        case Op::requantize:
            return node.inputs.size() == 1 ? LayerKind::threshold : LayerKind::add;
        case Op::max_pool:
            return LayerKind::max_pool;
        case Op::average_pool:
            return LayerKind::average_pool;
        case Op::global_average_pool:
            return LayerKind::global_pool;
        case Op::reduce_sum:
        case Op::reduce_mean:
            return is_over_pixels(node, graph[node.inputs[0]]) ? LayerKind::global_pool : LayerKind::other;
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::div:
            return kind_of_pair(graph, node);
        case Op::concat:
            return LayerKind::concat;
        case Op::reshape:
        case Op::flatten:
        case Op::transpose:
        case Op::identity:
        case Op::slice:
        case Op::gather:
        case Op::pad:
            return LayerKind::move;
        case Op::arg_max:
        case Op::top_k_indices:
        case Op::top_k_values:
            return LayerKind::select;
        case Op::quantize:
            return graph[node.inputs[0]].type.is_integer() ? LayerKind::threshold : LayerKind::quantize;
        case Op::dequantize:
            return LayerKind::dequantize;
        case Op::reduce:
        case Op::resample:
        case Op::softmax:
        case Op::lookup:
            return LayerKind::other;
        default:
            return LayerKind::elementwise;
    }
}

bool takes_bias(LayerKind kind) {
    return kind == LayerKind::matrix || kind == LayerKind::convolution || kind == LayerKind::depthwise;
}

bool takes_activation(LayerKind kind) {
    return takes_bias(kind) || kind == LayerKind::product || kind == LayerKind::add ||
           kind == LayerKind::average_pool || kind == LayerKind::global_pool || kind == LayerKind::threshold;
}

int channel_axis(const Tensor& tensor) {
    return tensor.layout == Layout::nchw ? 1 : std::max(0, static_cast<int>(tensor.shape.size()) - 1);
}

int channel_axis_of_result(const Graph& graph, const Node& node) {
    const auto& result = graph[node.outputs[0]];
    if (node.op == Op::conv) return 1;
    if (node.op == Op::gemm || node.op == Op::matmul)
        return std::max(0, static_cast<int>(result.shape.size()) - 1);
    return channel_axis(result);
}

std::optional<FoundWeights> weights_of(const Graph& graph, const Node& node) {
    if (node.op != Op::conv && node.op != Op::gemm && node.op != Op::matmul) return std::nullopt;
    const auto id = node.inputs[1];
    const auto& tensor = graph[id];
    if (!tensor.is_constant() || graph[node.inputs[0]].is_constant()) return std::nullopt;
    const auto& shape = tensor.shape;
    if (node.op == Op::conv) return FoundWeights{id, shape[1] * shape[2] * shape[3], shape[0]};
    if (shape.size() != 2) return std::nullopt;
    if (node.op == Op::gemm && node.as<GemmAttributes>().transpose_a) return std::nullopt;
    const bool transposed = node.op == Op::gemm && node.as<GemmAttributes>().transpose_b;
    return FoundWeights{id, shape[transposed ? 1 : 0], shape[transposed ? 0 : 1]};
}

std::optional<LayerBias> bias_of(const Graph& graph, const Node& node, TensorId x, int axis) {
    if (node.op != Op::add && node.op != Op::sub) return std::nullopt;
    const bool second = node.inputs[0] == x;  // is the constant
    if (!second && node.op == Op::sub) return std::nullopt;
    const auto id = node.inputs[second ? 1 : 0];
    const auto& constant = graph[id];
    if (!constant.is_constant() || graph[node.outputs[0]].shape != graph[x].shape) return std::nullopt;
    if (constant.type.is_integer() != graph[x].type.is_integer()) return std::nullopt;
    if (!is_per_channel(constant, graph[x], axis)) return std::nullopt;
    return LayerBias{id, node.op == Op::add ? 1 : -1};
}

std::optional<LayerActivation> activation_of(const Graph& graph, NodeId id) {
    const auto& node = graph.nodes[id];
    if (node.op == Op::multi_threshold) {
        const auto& shape = graph[node.inputs[1]].shape;
        return LayerActivation{{id}, shape[1], shape[0] > 1};
    }
    if (node.op == Op::quantize && graph[node.inputs[0]].type.is_integer()) {
        const auto& attributes = node.as<QuantizeAttributes>();
        const auto width = attributes.range.max - attributes.range.min;
        return LayerActivation{
            {id}, attributes.rounding == Rounding::to_sign ? 1 : width, attributes.affine.axis >= 0};
    }
    if (node.op != Op::requantize) return std::nullopt;
    const auto& attributes = node.as<RequantizeAttributes>();
    return LayerActivation{{id}, attributes.range.max - attributes.range.min, attributes.axis >= 0};
}

bool is_along_channels(const Graph& graph, const Node& activation, int channels) {
    if (activation.op == Op::multi_threshold)
        return graph[activation.inputs[1]].shape[0] == 1 ||
               activation.as<MultiThresholdAttributes>().channel_axis == channels;
    if (activation.op == Op::quantize) {
        const int axis = activation.as<QuantizeAttributes>().affine.axis;
        return axis < 0 || axis == channels;
    }
    const auto& attributes = activation.as<RequantizeAttributes>();
    return activation.inputs.size() == 1 && (attributes.axis < 0 || attributes.axis == channels);
}

}  // namespace fard::model
