#include "model/layers/chain_probe.hpp"

#include <algorithm>

#include "model/functions.hpp"
#include "model/reference.hpp"
#include "model/tables.hpp"

namespace fard::model {
namespace {

enum class Monotone { no, computed, proven };

// `computed`: in exact arithmetic, but its implementation may lose that in the last bit.
Monotone monotone(const Node& node, std::size_t data) {
    switch (node.op) {
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::identity:
        case Op::relu:
        case Op::clip:
        case Op::quantize:
        case Op::dequantize:
        case Op::requantize:
        case Op::multi_threshold:
        case Op::hard_sigmoid:
            return Monotone::proven;
        case Op::div:
            return data == 0 ? Monotone::proven : Monotone::no;
        case Op::leaky_relu:
            return node.as<LeakyReluAttributes>().alpha >= 0 ? Monotone::proven : Monotone::no;
        case Op::sigmoid:
        case Op::tanh:
            return Monotone::computed;
        case Op::function:
            return node.as<FunctionAttributes>().row->direction != 0 ? Monotone::computed : Monotone::no;
        default:
            return Monotone::no;
    }
}

// Along which dimension the node's own numbers run; -1: none.
int own_axis(const Graph& graph, const Node& node) {
    if (const auto* attributes = std::get_if<QuantizeAttributes>(&node.attributes))
        return attributes->affine.axis;
    if (const auto* attributes = std::get_if<DequantizeAttributes>(&node.attributes))
        return attributes->affine.axis;
    if (const auto* attributes = std::get_if<RequantizeAttributes>(&node.attributes)) return attributes->axis;
    if (const auto* attributes = std::get_if<MultiThresholdAttributes>(&node.attributes))
        return graph[node.inputs[1]].shape[0] == 1 ? -1 : attributes->channel_axis;
    return -1;
}

template <typename Number>
std::vector<std::int64_t> as_integers(const std::vector<Number>& values) {
    return {values.begin(), values.end()};
}

}  // namespace

Result<ChainProbe> ChainProbe::of(const Graph& graph, std::span<const NodeId> chain) {
    ChainProbe probe(graph);
    for (const auto id : chain)
        if (auto done = probe.add(id); !done) return fail(done.error());
    const auto& last = *probe.links_.back().node;
    if (!graph[last.outputs[0]].type.is_integer() ||
        !graph[probe.links_[0].node->inputs[probe.links_[0].data]].range)
        return fail(Fault::unsupported, "node '{}' ({}): does not map integers to integers", last.name,
                    name_of(last));
    return probe;
}

Result<> ChainProbe::add(NodeId id) {
    const auto& node = graph_.nodes[id];
    std::optional<std::size_t> data;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        if (graph_[node.inputs[i]].is_constant()) continue;
        if (data)
            return fail(Fault::unsupported, "node '{}' ({}): reads two tensors", node.name, name_of(node));
        data = i;
    }
    const auto shown = data ? monotone(node, *data) : Monotone::no;
    const auto& shape = graph_[node.outputs[0]].shape;
    if (shown == Monotone::no || graph_[node.inputs[*data]].shape != shape)
        return fail(Fault::unsupported, "node '{}' ({}): is no monotone function of each element by itself",
                    node.name, name_of(node));
    proven_ = proven_ && shown == Monotone::proven;
    links_.push_back({&node, *data});
    if (auto done = join_axis(node, own_axis(graph_, node)); !done) return done;
    if (node.op == Op::multi_threshold) return {};
    for (const auto operand : node.inputs) {
        const auto& constant = graph_[operand];
        if (!constant.is_constant()) continue;
        if (constant.shape.size() > shape.size())
            return fail(Fault::unsupported, "node '{}' ({}): has constants of more dimensions", node.name,
                        name_of(node));
        for (std::size_t i = 0; i < constant.shape.size(); ++i)
            if (constant.shape[i] != 1)
                if (auto done = join_axis(node, static_cast<int>(i + shape.size() - constant.shape.size()));
                    !done)
                    return done;
    }
    return {};
}

Result<> ChainProbe::join_axis(const Node& node, int axis) {
    if (axis < 0) return {};
    if (axis_ >= 0 && axis != axis_)
        return fail(Fault::unsupported,
                    "node '{}' ({}): has constants along another dimension than those before it", node.name,
                    name_of(node));
    axis_ = axis;
    channels_ = static_cast<std::size_t>(graph_[node.outputs[0]].shape[static_cast<std::size_t>(axis)]);
    return {};
}

Range ChainProbe::range() const {
    return *graph_[links_[0].node->inputs[links_[0].data]].range;
}

// Channels along their dimension, the rest before or behind it.
Shape ChainProbe::shape_for(std::size_t count) const {
    const auto rank = graph_[links_[0].node->outputs[0]].shape.size();
    Shape shape(rank, 1);
    if (axis_ >= 0) shape[static_cast<std::size_t>(axis_)] = static_cast<std::int64_t>(channels_);
    for (std::size_t i = 0; i < rank && count > 1; ++i) {
        const auto dimension = rank - 1 - i;
        if (static_cast<int>(dimension) == axis_) continue;
        shape[dimension] = static_cast<std::int64_t>(count);
        break;
    }
    return shape;
}

Result<Values> ChainProbe::run_shaped(std::span<const std::int64_t> x, std::size_t count) const {
    const auto shape = shape_for(count);
    Values values;
    values.integers.assign(x.begin(), x.end());
    for (const auto& link : links_) {
        Tensor in = graph_[link.node->inputs[link.data]], out = graph_[link.node->outputs[0]];
        in.shape = out.shape = shape;
        std::vector<const Tensor*> operands;
        std::vector<const Values*> operand_values;
        for (std::size_t i = 0; i < link.node->inputs.size(); ++i) {
            const auto& other = graph_[link.node->inputs[i]];
            operands.push_back(i == link.data ? &in : &other);
            operand_values.push_back(i == link.data ? &values : &*other.constant);
        }
        auto made = run_node({*link.node, operands, out}, operand_values);
        if (!made) return fail(made.error());
        values = *std::move(made);
    }
    return values;
}

Result<std::vector<std::int64_t>> ChainProbe::run(std::span<const std::int64_t> x) const {
    const auto count = x.size() / channels_;
    const auto wanted = channels_ * count;
    if (elements(shape_for(count)) != wanted) {  // there is no other dimension: one after the other
        std::vector<std::int64_t> all(wanted), one(channels_);
        for (std::size_t k = 0; k < count; ++k) {
            for (std::size_t c = 0; c < channels_; ++c)
                one[c] = x[c * count + k];
            const auto made = run_shaped(one, 1);
            if (!made) return fail(made.error());
            for (std::size_t c = 0; c < channels_; ++c)
                all[c * count + k] = made->integers[c];
        }
        return all;
    }
    const auto shape = shape_for(count);
    const bool channels_last = count > 1 && axis_ >= 0 && static_cast<std::size_t>(axis_) + 1 == shape.size();
    if (!channels_last) {
        const auto made = run_shaped(x, count);
        if (!made) return fail(made.error());
        return as_integers(made->integers);
    }
    std::vector<std::int64_t> turned(wanted);
    for (std::size_t c = 0; c < channels_; ++c)
        for (std::size_t k = 0; k < count; ++k)
            turned[k * channels_ + c] = x[c * count + k];
    const auto made = run_shaped(turned, count);
    if (!made) return fail(made.error());
    for (std::size_t c = 0; c < channels_; ++c)
        for (std::size_t k = 0; k < count; ++k)
            turned[c * count + k] = made->integers[k * channels_ + c];
    return turned;
}

}  // namespace fard::model
