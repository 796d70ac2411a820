#include "model/layers/layers.hpp"

#include <algorithm>
#include <unordered_set>

#include "model/bounds.hpp"
#include "model/layers/find.hpp"
#include "model/summary.hpp"

namespace fard::model {
namespace {

std::int64_t channels_of(const Tensor& tensor, int axis) {
    return tensor.shape.empty() ? 1 : tensor.shape[static_cast<std::size_t>(axis)];
}

Extent2 pixels_of(const Tensor& tensor) {
    if (tensor.shape.size() != 4) return {};
    const std::size_t first = tensor.layout == Layout::nhwc ? 1 : 2;
    return {tensor.shape[first], tensor.shape[first + 1]};
}

class Viewer {
  public:
    explicit Viewer(const Graph& graph) : graph_(graph), readers_(graph) {
        view_.graph = &graph;
        view_.layer_of.resize(graph.nodes.size(), no_layer);
        made_by_.resize(graph.tensors.size());
    }

    LayerView run() {
        for (NodeId node = 0; node < graph_.nodes.size(); ++node)
            if (view_.layer_of[node] == no_layer) add_layer(node);
        count_fan_out();
        return std::move(view_);
    }

  private:
    static constexpr std::size_t no_layer = ~std::size_t{0};

    void add_layer(NodeId first) {
        const auto& node = graph_.nodes[first];
        Layer layer;
        layer.kind = kind_of(graph_, node);
        layer.nodes = {first};
        layer.name = unique_name(node);
        fill_operands(node, layer);
        fill_matrix(node, layer);
        layer.output = node.outputs[0];
        layer.channel_axis = channel_axis_of_result(graph_, node);
        if (takes_bias(layer.kind)) add_biases(layer);
        if (layer.kind == LayerKind::threshold || node.op == Op::requantize) own_activation(first, layer);
        if (takes_activation(layer.kind)) add_activation(layer);
        fill_result(layer);
        for (const auto id : layer.nodes)
            view_.layer_of[id] = view_.layers.size();
        made_by_[layer.output] = view_.layers.size();
        view_.layers.push_back(std::move(layer));
    }

    std::string unique_name(const Node& node) {
        for (auto name : {node.name, graph_[node.outputs[0]].name})
            if (names_.insert(name).second) return name;
        for (int number = 2;; ++number) {
            auto name = node.name + "_" + std::to_string(number);
            if (names_.insert(name).second) return name;
        }
    }

    void fill_operands(const Node& node, Layer& layer) const {
        for (const auto id : node.inputs) {
            if (graph_[id].is_constant()) continue;
            layer.inputs.push_back(id);
            layer.reads.push_back(made_by_[id]);
        }
        if (layer.inputs.empty()) return;
        const auto& x = graph_[layer.inputs[0]];
        layer.input_type = x.type;
        const bool matrix = layer.kind == LayerKind::matrix || layer.kind == LayerKind::product;
        layer.input_channels = matrix && !x.shape.empty() ? x.shape.back() : channels_of(x, channel_axis(x));
        layer.window.input = pixels_of(x);
    }

    void fill_matrix(const Node& node, Layer& layer) const {
        layer.macs = multiply_accumulates(graph_, node);
        if (const auto* conv = std::get_if<ConvAttributes>(&node.attributes)) {
            layer.window.kernel = conv->kernel, layer.window.strides = conv->strides;
            layer.window.dilations = conv->dilations, layer.window.pads = conv->pads;
            layer.groups = conv->group;
        }
        if (const auto* pool = std::get_if<PoolAttributes>(&node.attributes)) {
            layer.window.kernel = pool->kernel, layer.window.strides = pool->strides;
            layer.window.dilations = pool->dilations, layer.window.pads = pool->pads;
        }
        const auto weights = weights_of(graph_, node);
        if (!weights) return;
        const auto& tensor = graph_[weights->tensor];
        layer.weights = LayerWeights{weights->tensor, tensor.type, tensor.type,
                                     static_cast<std::int64_t>(tensor.elements())};
        if (tensor.type.is_integer() && tensor.type != DataType::bipolar())
            layer.weights->narrowest = narrowest(*tensor.range);
        layer.mw = weights->inputs, layer.mh = weights->outputs;
        layer.parameters = layer.weights->count;
        if (node.inputs.size() > 2) add_bias(layer, {node.inputs[2], 1});
    }

    void add_bias(Layer& layer, LayerBias bias) const {
        layer.biases.push_back(bias);
        layer.parameters += static_cast<std::int64_t>(graph_[bias.tensor].elements());
    }

    // The node that alone reads what the layer makes so far.
    std::optional<NodeId> next(const Layer& layer) const { return readers_.sole(layer.output); }

    void extend(Layer& layer, NodeId node) const {
        layer.nodes.push_back(node);
        layer.output = graph_.nodes[node].outputs[0];
    }

    void add_biases(Layer& layer) const {
        while (const auto node = next(layer)) {
            const auto bias = bias_of(graph_, graph_.nodes[*node], layer.output, layer.channel_axis);
            if (!bias) return;
            add_bias(layer, *bias);
            extend(layer, *node);
        }
    }

    void add_activation(Layer& layer) const {
        while (const auto node = next(layer)) {
            auto activation = activation_of(graph_, *node);
            if (!activation || !is_along_channels(graph_, graph_.nodes[*node], layer.channel_axis)) return;
            join(layer, *std::move(activation), graph_[layer.output].range);
            extend(layer, *node);
        }
    }

    static void join(Layer& layer, LayerActivation behind, const std::optional<Range>& accumulator) {
        if (layer.activation) {
            auto& nodes = behind.nodes;
            nodes.insert(nodes.begin(), layer.activation->nodes.begin(), layer.activation->nodes.end());
            behind.per_channel = behind.per_channel || layer.activation->per_channel;
        } else {
            layer.accumulator = accumulator;
        }
        layer.activation = std::move(behind);
    }

    // A layer that is nothing else: its accumulators are what it reads.
    void own_activation(NodeId node, Layer& layer) const {
        layer.activation = activation_of(graph_, node);
        if (layer.activation && layer.inputs.size() == 1) layer.accumulator = graph_[layer.inputs[0]].range;
    }

    void fill_result(Layer& layer) const {
        const auto& result = graph_[layer.output];
        layer.output_type = result.type;
        layer.output_channels = channels_of(result, layer.channel_axis);
        layer.vectors = static_cast<std::int64_t>(result.elements()) / layer.output_channels;
        layer.window.output = pixels_of(result);
        if (!layer.activation) layer.accumulator = result.range;
        if (!layer.accumulator && layer.inputs.size() > 1 && layer.activation)
            layer.accumulator = result.range;
    }

    void count_fan_out() {
        const auto count = [&](TensorId id) {
            if (const auto maker = made_by_[id]) ++view_.layers[*maker].fan_out;
        };
        for (const auto& layer : view_.layers)
            std::ranges::for_each(layer.inputs, count);
        std::ranges::for_each(graph_.outputs, count);
    }

    const Graph& graph_;
    Readers readers_;
    LayerView view_;
    std::vector<std::optional<std::size_t>> made_by_;  // by TensorId: of the layers so far
    std::unordered_set<std::string> names_;
};

}  // namespace

std::string_view name_of(LayerKind kind) {
    constexpr std::string_view names[] = {
        "matrix",       "convolution", "depthwise",  "product",     "threshold", "max pool",
        "average pool", "global pool", "add",        "channelwise", "concat",    "move",
        "select",       "quantize",    "dequantize", "elementwise", "other"};
    return names[static_cast<std::size_t>(kind)];
}

int Layer::accumulator_bits() const {
    return accumulator && fits_32_bits(*accumulator) ? narrowest(*accumulator).bits() : 32;
}

LayerView layers_of(const Graph& graph) {
    return Viewer(graph).run();
}

}  // namespace fard::model
