#include "model/layers/streamline.hpp"

#include <algorithm>

#include "model/bounds.hpp"
#include "model/layers/find.hpp"
#include "model/layers/thresholds.hpp"

namespace fard::model {
namespace {

class Streamliner {
  public:
    Streamliner(const LayerView& view, const FinnSettings& settings)
        : view_(view), graph_(*view.graph), settings_(settings) {
        const auto count = view.layers.size();
        done_.fate.resize(count, Fate::unit);
        done_.inputs.resize(count);
        done_.absorbs_bias.resize(count);
        readers_.resize(count);
        maker_.resize(graph_.tensors.size());
        for (std::size_t i = 0; i < count; ++i)
            maker_[view.layers[i].output] = i;
        for (std::size_t i = 0; i < count; ++i)
            for (const auto& read : view.layers[i].reads)
                if (read) readers_[*read].push_back(i);
        to_select_.resize(count), behind_product_.resize(count);
        for (auto i = count; i-- > 0;) {
            to_select_[i] = leads_to_select(i);
            behind_product_[i] = moves_behind_product(i);
        }
    }

    Streamlined run() {
        for (std::size_t i = 0; i < view_.layers.size(); ++i) {
            const auto& layer = view_.layers[i];
            done_.fate[i] = fate_of(i);
            const auto from = standing_before(layer);
            done_.inputs[i] = input_of(from);
            done_.absorbs_bias[i] = has_one_bias(layer) && to_select_[i];
            standing_.push_back(standing_behind(i, from));
        }
        return std::move(done_);
    }

  private:
    // The tensor that stands for another one when what FINN takes into other layers is gone.
    struct Standing {
        TensorId tensor = 0;
        std::optional<std::size_t> maker;
        bool shifted = false, moved = false;  // on the way from it
    };

    Standing standing_before(const Layer& layer) const {
        if (layer.inputs.empty()) return {};
        return layer.reads[0] ? standing_[*layer.reads[0]]
                              : Standing{layer.inputs[0], std::nullopt, false, false};
    }

    Standing standing_behind(std::size_t i, Standing before) const {
        if (done_.fate[i] == Fate::unit || done_.fate[i] == Fate::outside)
            return {view_.layers[i].output, i, false, false};
        (done_.fate[i] == Fate::absorbed ? before.shifted : before.moved) = true;
        return before;
    }

    Fate fate_of(std::size_t i) const {
        const auto& layer = view_.layers[i];
        if (layer.kind == LayerKind::move) return is_relabelling(layer) ? Fate::nothing : Fate::outside;
        if (keeps_values(layer)) return Fate::nothing;
        const bool integers = layer.input_type.is_integer();
        const bool increases = is_increasing(layer);
        if (increases && to_select_[i]) return Fate::absorbed;
        if (layer.kind == LayerKind::channelwise && is_shift(layer) && behind_product_[i])
            return Fate::absorbed;
        if (layer.kind == LayerKind::select)
            return integers || reads_integers(layer) ? Fate::unit : Fate::outside;
        if (!integers || !is_known(layer)) return Fate::outside;
        return Fate::unit;
    }

    bool is_relabelling(const Layer& layer) const {
        const auto op = graph_.nodes[layer.nodes[0]].op;
        return op == Op::reshape || op == Op::flatten || op == Op::transpose || op == Op::identity;
    }

    // FINN's elements are all FLOAT.
    bool keeps_values(const Layer& layer) const {
        return graph_.nodes[layer.nodes[0]].op == Op::cast && layer.nodes.size() == 1 && layer.input_type.is_integer() &&
               layer.output_type.is_integer() && holds(range_of(layer.output_type), range_of(layer.input_type));
    }

    bool is_known(const Layer& layer) const {
        const bool more_steps = settings_.flow != FinnFlow::main || settings_.depthwise_steps;
        switch (layer.kind) {
            case LayerKind::matrix:  // of channels, not of an image's columns
                return layer.weights->type.is_integer() && graph_[layer.inputs[0]].layout != Layout::nchw;
            case LayerKind::convolution:
                return layer.weights->type.is_integer() && layer.groups == 1;
            case LayerKind::depthwise:
                return layer.weights->type.is_integer() && layer.groups == layer.mh && more_steps;
            case LayerKind::channelwise:
                return layer.output_type.is_integer() && more_steps;
            case LayerKind::add:
                return graph_.nodes[layer.nodes[0]].op == Op::add && layer.output_type.is_integer();
            case LayerKind::average_pool:
                return lost_bits(graph_, layer).has_value();
            case LayerKind::threshold:
                return layer.output_type.is_integer() && thresholds_follow_channels(layer) &&
                       graph_[layer.inputs[0]].layout == graph_[layer.output].layout;
            case LayerKind::max_pool:
            case LayerKind::global_pool:
            case LayerKind::concat:
                return layer.output_type.is_integer();
            default:
                return false;
        }
    }

    bool thresholds_follow_channels(const Layer& layer) const {
        return std::ranges::all_of(layer.activation->nodes, [&](NodeId node) {
            return is_along_channels(graph_, graph_.nodes[node], layer.channel_axis);
        });
    }

    // What only scales or shifts all elements alike, without turning them round.
    bool is_increasing(const Layer& layer) const {
        const auto& node = graph_.nodes[layer.nodes[0]];
        if (layer.kind == LayerKind::dequantize)
            return node.as<DequantizeAttributes>().affine.scale.size() == 1;
        if (layer.kind != LayerKind::channelwise) return false;
        const auto& constant = graph_[node.inputs[graph_[node.inputs[0]].is_constant() ? 0 : 1]];
        if (constant.elements() != 1) return false;
        const auto& values = *constant.constant;
        const bool positive = values.floats.empty() ? values.integers[0] > 0 : values.floats[0] > 0;
        const bool first = graph_[node.inputs[0]].is_constant();
        return node.op == Op::add || (node.op == Op::sub ? !first : positive);
    }

    bool has_one_bias(const Layer& layer) const {
        return !layer.activation && std::ranges::all_of(layer.biases, [&](const LayerBias& bias) {
            return graph_[bias.tensor].elements() == 1;
        });
    }

    // Whether all that reads it is, over layers of this kind, a LabelSelect. Of those behind it that is known.
    bool leads_to_select(std::size_t i) const {
        if (readers_[i].empty() || view_.layers[i].fan_out != readers_[i].size()) return false;
        const auto reader = readers_[i][0];
        const auto& layer = view_.layers[reader];
        const bool all_select = std::ranges::all_of(
            readers_[i], [&](std::size_t each) { return view_.layers[each].kind == LayerKind::select; });
        if (all_select) return true;
        return readers_[i].size() == 1 && (is_increasing(layer) || layer.kind == LayerKind::move) &&
               to_select_[reader];
    }

    // Behind layers that are absorbed, a LabelSelect reads the integers before these.
    bool reads_integers(const Layer& layer) const {
        const auto from = standing_before(layer);
        return from.maker && graph_[from.tensor].type.is_integer();
    }

    bool is_shift(const Layer& layer) const {
        const auto op = graph_.nodes[layer.nodes[0]].op;
        return (op == Op::add || op == Op::sub) && layer.output_type.is_integer() &&
               layer.input_type.is_integer() && is_one_number(layer);
    }
    bool is_one_number(const Layer& layer) const {
        const auto& node = graph_.nodes[layer.nodes[0]];
        return graph_[node.inputs[graph_[node.inputs[0]].is_constant() ? 0 : 1]].elements() == 1 &&
               !graph_[node.inputs[0]].is_constant();
    }

    // A number that is added before a product without padding is added behind it instead, where thresholds take it.
    bool moves_behind_product(std::size_t i) const {
        if (readers_[i].size() != 1 || view_.layers[i].fan_out != 1) return false;
        const auto reader = readers_[i][0];
        const auto& layer = view_.layers[reader];
        if (layer.kind == LayerKind::move && is_relabelling(layer)) return behind_product_[reader];
        if (layer.kind == LayerKind::threshold) return true;
        return (layer.kind == LayerKind::matrix || layer.kind == LayerKind::convolution) &&
               layer.window.pads == Pads{};
    }

    StreamlinedInput input_of(const Standing& from) const {
        const bool from_unit = from.moved && from.maker && done_.fate[*from.maker] == Fate::unit;
        return {standing_type(from.tensor), from_unit ? view_.layers[*from.maker].window.output : Extent2{},
                from.shifted};
    }

    // FINN dev gives a sum the type of any sum of such operands, whatever their values are.
    DataType standing_type(TensorId id) const {
        const auto& made = graph_[id];
        if (settings_.flow != FinnFlow::dev || !maker_[id] || !made.type.is_integer()) return made.type;
        const auto& layer = view_.layers[*maker_[id]];
        const auto& node = graph_.nodes[layer.nodes[0]];
        if (layer.kind != LayerKind::channelwise || (node.op != Op::add && node.op != Op::sub))
            return made.type;
        int bits = 0;
        for (const auto operand : node.inputs)
            bits = std::max(bits, signed_bits(graph_[operand].type));
        return DataType::sint(bits + 1);
    }
    static int signed_bits(DataType type) {
        return type.bits() + (type.kind() == DataType::Kind::uint ? 1 : 0);
    }

    const LayerView& view_;
    const Graph& graph_;
    const FinnSettings& settings_;
    Streamlined done_;
    std::vector<std::vector<std::size_t>> readers_;
    std::vector<std::optional<std::size_t>> maker_;  // by TensorId
    std::vector<bool> to_select_, behind_product_;   // by layer
    std::vector<Standing> standing_;                 // of each layer's result, as far as it has come
};

}  // namespace

std::optional<int> lost_bits(const Graph& graph, const Layer& layer) {
    const auto found =
        layer.activation ? thresholds_of(graph, layer) : fail(Fault::unsupported, "no activation");
    if (!found || found->rows() != 1 || found->signs[0] < 0 || found->step != 1 || found->steps == 0)
        return std::nullopt;
    for (int bits = 0; bits < 31; ++bits) {
        bool all = true;
        for (std::int64_t i = 0; all && i < found->steps; ++i) {
            const auto value = (found->lowest + i + 1) << bits;
            const auto& range = found->range;
            all = found->values[static_cast<std::size_t>(i)] == std::clamp(value, range.min, range.max + 1);
        }
        if (all) return bits;
    }
    return std::nullopt;
}

Streamlined streamline(const LayerView& view, const FinnSettings& settings) {
    return Streamliner(view, settings).run();
}

}  // namespace fard::model
