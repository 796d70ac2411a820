#include "overlays/soft/lower/linear.hpp"

#include <algorithm>

namespace fard::soft {
namespace {

using model::Node;
using model::Op;
using model::Tensor;

bool is_integer_constant(const Tensor& tensor) {
    return tensor.is_constant() && tensor.type.is_integer();
}

// A constant that, broadcast to `shape`, depends on `axis` alone: one value per index of it.
std::optional<std::vector<std::int64_t>> per_channel(const Tensor& constant, const model::Shape& shape,
                                                     std::size_t axis) {
    if (!is_integer_constant(constant) || constant.shape.size() > shape.size()) return std::nullopt;
    const auto lead = shape.size() - constant.shape.size();
    for (std::size_t i = 0; i < constant.shape.size(); ++i)
        if (constant.shape[i] != 1 && i + lead != axis) return std::nullopt;
    const auto& values = constant.constant->integers;
    const auto channels = static_cast<std::size_t>(shape[axis]);
    if (values.size() == channels) return std::vector<std::int64_t>(values.begin(), values.end());
    if (values.size() == 1) return std::vector<std::int64_t>(channels, values[0]);
    return std::nullopt;
}

// OIHW to [O][H][W][I].
Weights conv_weights(const Tensor& tensor, std::int64_t groups) {
    const auto channels = static_cast<std::size_t>(tensor.shape[0]),
               inputs = static_cast<std::size_t>(tensor.shape[1]);
    const auto taps = static_cast<std::size_t>(tensor.shape[2] * tensor.shape[3]);
    std::vector<std::int32_t> values(tensor.elements());
    const auto* from = tensor.constant->integers.data();
    if (taps == 1 || inputs == 1) {
        std::copy_n(from, values.size(), values.begin());
    } else {
        for (std::size_t o = 0; o < channels; ++o)
            for (std::size_t i = 0; i < inputs; ++i)
                for (std::size_t t = 0; t < taps; ++t)
                    values[(o * taps + t) * inputs + i] = *from++;
    }
    return {std::move(values), channels, inputs * taps, static_cast<std::size_t>(groups), tensor.range};
}

// [depth][channels], or the other way round, to [channels][depth].
Weights matrix_weights(const Tensor& tensor, bool channels_first) {
    const auto rows = static_cast<std::size_t>(tensor.shape[0]),
               columns = static_cast<std::size_t>(tensor.shape[1]);
    const auto& from = tensor.constant->integers;
    if (channels_first) return {from, rows, columns, 1, tensor.range};
    std::vector<std::int32_t> values(from.size());
    for (std::size_t k = 0; k < rows; ++k)
        for (std::size_t o = 0; o < columns; ++o)
            values[o * rows + k] = from[k * columns + o];
    return {std::move(values), columns, rows, 1, tensor.range};
}

class Finder {
  public:
    Finder(const model::Graph& graph, const Readers& readers) : graph_(graph), readers_(readers) {}

    std::optional<FoundLayer> begin(const Node& node) const {
        if (node.op != Op::conv && node.op != Op::matmul && node.op != Op::gemm) return std::nullopt;
        const auto& x = graph_[node.inputs[0]];
        if (!x.type.is_integer() || x.is_constant() || !is_integer_constant(graph_[node.inputs[1]]))
            return std::nullopt;
        FoundLayer found;
        found.layer.in = storage_of(x);
        found.layer.in_bipolar = readers_.signs_only[node.inputs[0]];
        found.layer.out = storage_of(graph_[node.outputs[0]]);
        const auto bounds = bounds_of(x);
        found.layer.in_bounds = {std::min<std::int64_t>(bounds.min, 0),
                                 std::max<std::int64_t>(bounds.max, 0)};
        found.input = node.inputs[0];
        found.output = node.outputs[0];
        found.nodes = {&node};
        const bool fits = node.op == Op::conv ? fill_conv(node, found.layer) : fill_matrix(node, found.layer);
        if (!fits) return std::nullopt;
        found.layer.bias.assign(found.layer.weights.channels, 0);
        if (node.inputs.size() > 2 && !add_own_bias(node, found)) return std::nullopt;
        return found;
    }

    // The layer with the addition or subtraction of a constant behind it, if there is one.
    std::optional<FoundLayer> with_addition(FoundLayer found) const {
        const Node* next = readers_.sole[found.output];
        if (!next || (next->op != Op::add && next->op != Op::sub)) return std::nullopt;
        const bool second = next->inputs[0] == found.output;
        if (!second && next->op == Op::sub) return std::nullopt;
        const auto& out = graph_[next->outputs[0]];
        if (out.shape != graph_[found.output].shape || !out.type.is_integer()) return std::nullopt;
        if (!add_bias(found, next->inputs[second ? 1 : 0], next->op == Op::add ? 1 : -1)) return std::nullopt;
        return extended(std::move(found), *next);
    }

    std::optional<FoundLayer> with_thresholds(FoundLayer found) const {
        const Node* next = readers_.sole[found.output];
        if (!next || next->op != Op::multi_threshold || next->inputs[0] != found.output) return std::nullopt;
        const auto& attributes = next->as<model::MultiThresholdAttributes>();
        if (graph_[next->inputs[1]].shape[0] != 1 &&
            static_cast<std::size_t>(attributes.channel_axis) != channel_axis(found))
            return std::nullopt;
        found.layer.thresholds = &graph_[next->inputs[1]];
        found.layer.threshold_attributes = attributes;
        return extended(std::move(found), *next);
    }

    std::optional<FoundLayer> with_requantize(FoundLayer found) const {
        const Node* next = readers_.sole[found.output];
        if (!next || next->op != Op::requantize || next->inputs.size() != 1) return std::nullopt;
        const auto& attributes = next->as<model::RequantizeAttributes>();
        if (attributes.axis >= 0 && static_cast<std::size_t>(attributes.axis) != channel_axis(found))
            return std::nullopt;
        found.layer.requantize = &attributes;
        return extended(std::move(found), *next);
    }

  private:
    bool fill_conv(const Node& node, LinearLayer& layer) const {
        if (!layer.in.channels_last || !layer.out.channels_last) return false;
        layer.images = static_cast<std::size_t>(layer.in.shape[0]);
        const auto& attributes = node.as<model::ConvAttributes>();
        layer.window = window_of(layer.in.shape, layer.out.shape, attributes.kernel, attributes.strides,
                                 attributes.dilations, attributes.pads);
        layer.weights = conv_weights(graph_[node.inputs[1]], attributes.group);
        return true;
    }

    bool fill_matrix(const Node& node, LinearLayer& layer) const {
        const auto& weights = graph_[node.inputs[1]];
        if (layer.in.channels_last || layer.out.channels_last || weights.shape.size() != 2 ||
            layer.in.shape.empty())
            return false;
        bool channels_first = false;
        if (node.op == Op::gemm) {
            const auto& attributes = node.as<model::GemmAttributes>();
            if (attributes.alpha != 1 || attributes.beta != 1 || attributes.transpose_a) return false;
            channels_first = attributes.transpose_b;
        }
        layer.weights = matrix_weights(weights, channels_first);
        layer.window.channels = layer.weights.depth;
        layer.window.in_height = layer.window.out_height =
            static_cast<std::int64_t>(layer.in.elements() / layer.weights.depth);
        return true;
    }

    std::size_t channel_axis(const FoundLayer& found) const {
        return found.layer.out.channels_last ? 1 : graph_[found.output].shape.size() - 1;
    }

    // A Conv has one value for each channel there; the others' operand is broadcast.
    bool add_own_bias(const Node& node, FoundLayer& found) const {
        if (node.op != Op::conv) return add_bias(found, node.inputs[2], 1);
        const auto& bias = graph_[node.inputs[2]];
        if (!is_integer_constant(bias)) return false;
        found.layer.bias.assign(bias.constant->integers.begin(), bias.constant->integers.end());
        return true;
    }

    bool add_bias(FoundLayer& found, model::TensorId operand, int sign) const {
        const auto values = per_channel(graph_[operand], graph_[found.output].shape, channel_axis(found));
        if (!values) return false;
        for (std::size_t c = 0; c < values->size(); ++c)
            found.layer.bias[c] += sign * (*values)[c];
        return true;
    }

    // Not where the result lies in another order: a MultiThreshold may say that its channels are the last dimension.
    std::optional<FoundLayer> extended(FoundLayer found, const Node& node) const {
        const auto out = storage_of(graph_[node.outputs[0]]);
        if (!out.same_places(found.layer.out)) return std::nullopt;
        found.output = node.outputs[0];
        found.layer.out = out;
        found.nodes.push_back(&node);
        return found;
    }

    const model::Graph& graph_;
    const Readers& readers_;
};

}  // namespace

Readers readers_of(const model::Graph& graph) {
    Readers found{std::vector<const Node*>(graph.tensors.size()), std::vector<bool>(graph.tensors.size())};
    std::vector<int> count(graph.tensors.size());
    for (model::TensorId id = 0; id < count.size(); ++id)
        found.signs_only[id] = graph[id].type.kind() == DataType::Kind::bipolar;
    constexpr Op moving[] = {Op::max_pool, Op::flatten, Op::reshape, Op::transpose, Op::identity};
    for (const auto& node : graph.nodes) {
        if (std::ranges::find(moving, node.op) != std::end(moving) && found.signs_only[node.inputs[0]])
            found.signs_only[node.outputs[0]] = true;
        for (const auto id : node.inputs) {
            ++count[id];
            found.sole[id] = &node;
        }
    }
    for (const auto id : graph.outputs)
        count[id] += 2;
    for (model::TensorId id = 0; id < count.size(); ++id)
        if (count[id] != 1) found.sole[id] = nullptr;
    return found;
}

std::vector<FoundLayer> find_linear(const model::Graph& graph, const Node& node, const Readers& readers) {
    const Finder finder(graph, readers);
    std::vector<FoundLayer> found;
    auto shortest = finder.begin(node);
    if (!shortest) return found;
    found.push_back(*std::move(shortest));
    if (auto longer = finder.with_addition(found.back())) found.push_back(*std::move(longer));
    if (auto longest = finder.with_thresholds(found.back()))
        found.push_back(*std::move(longest));
    else if (auto requantized = finder.with_requantize(found.back()))
        found.push_back(*std::move(requantized));
    std::ranges::reverse(found);
    return found;
}

}  // namespace fard::soft
