// Two sweeps: backwards, which tensors are needed whole and of which some channels do; forwards, the nodes that make these.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "model/functions.hpp"
#include "model/layers/find.hpp"
#include "model/layers/subgraph.hpp"

namespace fard::model {
namespace {

// Where the channels of a tensor are that are asked for.
using Axis = std::optional<std::size_t>;

class Picker {
  public:
    Picker(const Graph& graph, ChannelRange range)
        : graph_(graph),
          range_(range),
          whole_(graph.tensors.size()),
          picked_(graph.tensors.size()),
          place_(graph.tensors.size()) {}

    Graph run() {
        const auto output = graph_.outputs[0];
        want(output, static_cast<std::size_t>(channel_axis(graph_[output])));
        for (std::size_t i = graph_.nodes.size(); i-- > 0;)
            ask(graph_.nodes[i]);
        made_.name =
            fmt::format("{}_channels_{}_{}", graph_.name, range_.first, range_.first + range_.count - 1);
        made_.exact_fractions = graph_.exact_fractions;
        for (const auto id : graph_.inputs) {
            made_.inputs.push_back(place(id));
            if (picked_[id]) pick(id, *picked_[id]);
        }
        for (const auto& node : graph_.nodes)
            make(node);
        made_.outputs = {pick(output, *picked_[output])};
        return std::move(made_);
    }

  private:
    void want(TensorId id, Axis axis) {
        if (!axis) {
            whole_[id] = true;
        } else if (picked_[id] && picked_[id] != axis) {
            whole_[id] = true;  // two dimensions: the second one is picked from all
        } else {
            picked_[id] = axis;
        }
    }

    // What a node needs for some channels of its result, by operand; empty: all of everything.
    std::vector<Axis> needs(const Node& node) const {
        auto list = needs_of(node);
        for (std::size_t i = 0; i < list.size(); ++i)
            if (list[i] && becomes_whole(node.inputs[i], *list[i])) return {};
        return list;
    }

    // Fractions of which some channels are whole numbers: those would be read as integers, and so would what is made of them.
    bool becomes_whole(TensorId id, std::size_t axis) const {
        if (!graph_[id].is_constant() || graph_[id].constant->floats.empty()) return false;
        const auto values = picked_values(graph_[id].constant->floats, graph_[id].shape, axis);
        return std::ranges::all_of(values, [](float value) { return value == std::rint(value); });
    }

    std::vector<Axis> needs_of(const Node& node) const {
        const auto axis = picked_[node.outputs[0]];
        std::vector<Axis> list(node.inputs.size());
        if (node.op == Op::conv) return needs_of_conv(node, *axis);
        if (node.op == Op::gemm || node.op == Op::matmul) return needs_of_matrix(node, *axis);
        if (!keeps_channels(node, *axis)) return {};
        if (node.op == Op::multi_threshold) {
            list[0] = axis;
            const bool along = node.as<MultiThresholdAttributes>().channel_axis == static_cast<int>(*axis);
            if (along && graph_[node.inputs[1]].shape[0] > 1) list[1] = 0;
            return list;
        }
        if (node.op == Op::batch_normalization) {
            list.assign(list.size(), 0);
            list[0] = axis;
            return list;
        }
        const auto rank = graph_[node.outputs[0]].shape.size();
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto& shape = graph_[node.inputs[i]].shape;
            if (*axis + shape.size() < rank) continue;
            const auto own = *axis + shape.size() - rank;
            if (shape[own] != 1 || shape == graph_[node.outputs[0]].shape) list[i] = own;
        }
        return list;
    }

    std::vector<Axis> needs_of_conv(const Node& node, std::size_t axis) const {
        const auto& weights = graph_[node.inputs[1]];
        const auto groups = node.as<ConvAttributes>().group;
        const bool each_alone = groups > 1 && weights.shape[1] == 1 && weights.shape[0] == groups;
        if (axis != 1 || !weights.is_constant() || (groups > 1 && !each_alone)) return {};
        std::vector<Axis> list(node.inputs.size(), 0);
        list[0] = each_alone ? Axis(1) : std::nullopt;
        return list;
    }

    std::vector<Axis> needs_of_matrix(const Node& node, std::size_t axis) const {
        const auto& weights = graph_[node.inputs[1]];
        if (axis + 1 != graph_[node.outputs[0]].shape.size() || !weights.is_constant() ||
            weights.shape.size() != 2)
            return {};
        std::vector<Axis> list(node.inputs.size());
        list[1] = node.op == Op::gemm && node.as<GemmAttributes>().transpose_b ? 0 : 1;
        if (list.size() > 2) {
            const auto& bias = graph_[node.inputs[2]].shape;
            if (!bias.empty() && bias.back() != 1) list[2] = bias.size() - 1;
        }
        return list;
    }

    // Whether each channel of the result is made of that channel of what is read.
    bool keeps_channels(const Node& node, std::size_t axis) const {
        switch (node.op) {
            case Op::add:
            case Op::sub:
            case Op::mul:
            case Op::div:
            case Op::pow:
            case Op::pairwise:
            case Op::where:
            case Op::cast:
            case Op::identity:
            case Op::multi_threshold:
            case Op::quantize:
            case Op::dequantize:
            case Op::requantize:
                return true;
            case Op::batch_normalization:
            case Op::max_pool:
            case Op::average_pool:
            case Op::global_average_pool:
                return axis == 1;
            default:
                return is_function(node.op);
        }
    }

    void ask(const Node& node) {
        const auto output = node.outputs[0];
        if (picked_[output]) {
            const auto list = needs(node);
            if (list.empty()) whole_[output] = true;
            for (std::size_t i = 0; i < list.size(); ++i)
                want(node.inputs[i], list[i]);
        }
        if (!whole_[output]) return;
        for (const auto id : node.inputs)
            whole_[id] = true;
    }

    TensorId add(Tensor tensor) {
        made_.tensors.push_back(std::move(tensor));
        return static_cast<TensorId>(made_.tensors.size() - 1);
    }
    TensorId place(TensorId id) {
        if (!place_[id]) place_[id] = add(graph_[id]);
        return *place_[id];
    }

    Tensor picked_tensor(TensorId id, std::size_t axis) const {
        Tensor tensor{graph_[id].name,   graph_[id].shape, graph_[id].layout,
                      graph_[id].type,   graph_[id].range, graph_[id].declared,
                      graph_[id].affine, std::nullopt,     graph_[id].inner};
        tensor.name += fmt::format("_channels_{}_{}", range_.first, range_.first + range_.count - 1);
        tensor.shape[axis] = range_.count;
        if (tensor.affine && tensor.affine->axis == static_cast<int>(axis)) {
            tensor.affine->scale = part_of_list(tensor.affine->scale);
            tensor.affine->zero_point = part_of_list(tensor.affine->zero_point);
        }
        return tensor;
    }

    // The channels of a tensor that is there, constant or not.
    TensorId pick(TensorId id, std::size_t axis) {
        if (const auto made = picked_place_.find({id, axis}); made != picked_place_.end())
            return made->second;
        return picked_place_[{id, axis}] = pick_anew(id, axis);
    }
    TensorId pick_anew(TensorId id, std::size_t axis) {
        auto tensor = picked_tensor(id, axis);
        if (axis != picked_[id]) tensor.name += "_" + std::to_string(axis);
        if (graph_[id].is_constant()) {
            const auto& values = *graph_[id].constant;
            tensor.constant = Values{picked_values(values.integers, graph_[id].shape, axis),
                                     picked_values(values.floats, graph_[id].shape, axis)};
            return add(std::move(tensor));
        }
        SliceAttributes slice{std::vector<std::int64_t>(tensor.shape.size(), 0),
                              std::vector<std::int64_t>(tensor.shape.size(), 1)};
        slice.starts[axis] = range_.first;
        const auto name = tensor.name;
        const auto made = add(std::move(tensor));
        made_.nodes.push_back({name, Op::slice, {place(id)}, {made}, slice});
        return made;
    }

    template <typename Number>
    std::vector<Number> picked_values(const std::vector<Number>& values, const Shape& shape,
                                      std::size_t axis) const {
        if (values.empty()) return {};
        std::size_t inner = 1;
        for (std::size_t i = axis + 1; i < shape.size(); ++i)
            inner *= static_cast<std::size_t>(shape[i]);
        const auto row = inner * static_cast<std::size_t>(shape[axis]);
        std::vector<Number> list;
        for (std::size_t at = 0; at < values.size(); at += row) {
            const auto begin = values.begin() + static_cast<std::ptrdiff_t>(
                                                    at + inner * static_cast<std::size_t>(range_.first));
            list.insert(list.end(), begin,
                        begin + static_cast<std::ptrdiff_t>(inner * static_cast<std::size_t>(range_.count)));
        }
        return list;
    }

    template <typename Number>
    std::vector<Number> part_of_list(const std::vector<Number>& list) const {
        return list.size() <= 1 ? list : picked_values(list, {static_cast<std::int64_t>(list.size())}, 0);
    }

    Attributes picked_attributes(const Node& node, std::size_t axis) const {
        auto attributes = node.attributes;
        if (auto* conv = std::get_if<ConvAttributes>(&attributes); conv && conv->group > 1)
            conv->group = range_.count;
        const auto part_of_affine = [&](Affine& affine) {
            if (affine.axis != static_cast<int>(axis)) return;
            affine.scale = part_of_list(affine.scale), affine.zero_point = part_of_list(affine.zero_point);
        };
        if (auto* quantize = std::get_if<QuantizeAttributes>(&attributes)) part_of_affine(quantize->affine);
        if (auto* dequantize = std::get_if<DequantizeAttributes>(&attributes))
            part_of_affine(dequantize->affine);
        if (auto* requantize = std::get_if<RequantizeAttributes>(&attributes);
            requantize && requantize->axis == static_cast<int>(axis)) {
            for (auto& operand : requantize->operands)
                operand.multiplier = part_of_list(operand.multiplier);
            requantize->offset = part_of_list(requantize->offset);
        }
        return attributes;
    }

    void make(const Node& node) {
        const auto output = node.outputs[0];
        if (whole_[output]) {
            std::vector<TensorId> inputs;
            for (const auto id : node.inputs)
                inputs.push_back(place(id));
            made_.nodes.push_back({node.name, node.op, inputs, {place(output)}, node.attributes});
        }
        if (!picked_[output]) return;
        const auto list = needs(node);
        const auto axis = *picked_[output];
        if (list.empty()) {
            pick(output, axis);
            return;
        }
        std::vector<TensorId> inputs;
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto id = node.inputs[i];
            inputs.push_back(list[i] ? pick(id, *list[i]) : place(id));
        }
        const auto made = add(picked_tensor(output, axis));
        picked_place_[{output, axis}] = made;
        made_.nodes.push_back({made_[made].name, node.op, inputs, {made}, picked_attributes(node, axis)});
    }

    const Graph& graph_;
    ChannelRange range_;
    Graph made_;
    std::vector<bool> whole_;                     // by TensorId, as the next two: needed with all channels
    std::vector<Axis> picked_;                    // needed with some, along this dimension
    std::vector<std::optional<TensorId>> place_;  // in the new graph
    std::map<std::pair<TensorId, std::size_t>, TensorId> picked_place_;
};

}  // namespace

Result<Graph> with_channels(const Graph& graph, ChannelRange range) {
    if (graph.outputs.size() != 1)
        return fail(Fault::invalid_input, "'{}' has {} outputs; only one can be made channel by channel",
                    graph.name, graph.outputs.size());
    const auto& output = graph[graph.outputs[0]];
    const auto axis = static_cast<std::size_t>(channel_axis(output));
    const auto channels = output.shape.empty() ? 0 : output.shape[axis];
    if (range.first < 0 || range.count < 1 || range.first > channels - range.count)
        return fail(Fault::invalid_input, "'{}' has {} channels, so it has no channels {} to {}", output.name,
                    channels, range.first, range.first + range.count - 1);
    return Picker(graph, range).run();
}

std::vector<ChannelRange> even_ranges(std::int64_t channels, std::size_t parts) {
    std::vector<ChannelRange> ranges;
    const auto count = static_cast<std::int64_t>(parts);
    for (std::int64_t i = 0, first = 0; i < count; ++i) {
        ranges.push_back({first, channels / count + (i < channels % count ? 1 : 0)});
        first += ranges.back().count;
    }
    return ranges;
}

Result<std::vector<Stage>> channel_parts(const Graph& graph, std::size_t parts) {
    if (graph.outputs.size() != 1)
        return fail(Fault::invalid_input,
                    "{} tensors come out of it, and only one can be made in parts; cut where a single tensor crosses",
                    graph.outputs.size());
    const auto& output = graph[graph.outputs[0]];
    const auto channels = output.shape.empty() ? 0 : output.shape[static_cast<std::size_t>(channel_axis(output))];
    if (channels < static_cast<std::int64_t>(parts))
        return fail(Fault::invalid_input, "'{}' has {} channels, which do not make {} parts", output.name, channels, parts);
    std::vector<Stage> stages;
    for (const auto& range : even_ranges(channels, parts)) {
        const auto part = with_channels(graph, range);
        if (!part) return fail(part.error());
        auto stage = stage_of(*part);
        if (!stage) return fail(stage.error());
        stages.push_back(std::move(*stage));
    }
    return stages;
}

}  // namespace fard::model
