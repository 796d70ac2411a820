#include "model/passes/moves.hpp"

#include <algorithm>

#include "model/passes/real.hpp"
#include "model/passes/rules.hpp"
#include "model/tables.hpp"

namespace fard::model {
namespace {

std::size_t inner(const Shape& shape, std::size_t axis) {
    return elements(Shape(shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, shape.end()));
}

bool concat_integers(Rewriter& graph, const Node& node) {
    std::vector<Real> parts;
    for (const auto id : node.inputs) {
        auto part = real_of(graph, id);
        if (!part || !part->whole_tensor() || (!parts.empty() && part->affine != parts[0].affine))
            return false;
        parts.push_back(*std::move(part));
    }
    std::vector<TensorId> inputs;
    for (const auto& part : parts)
        inputs.push_back(part.integers);
    const auto output = node.outputs[0];
    const auto joined = graph.emit(node.op, node.attributes, inputs, node.name + "_codes",
                                   {graph[output].shape, graph[output].layout});
    return joined && graph.emit_as(output, Op::dequantize, DequantizeAttributes{parts[0].affine}, {*joined});
}

// Rows of a table of integers.
bool look_up_integers(Rewriter& graph, const Node& node) {
    const auto output = node.outputs[0];
    const auto x = real_of(graph, node.inputs[0]);
    if (graph[output].type.is_integer() || !x || !x->whole_tensor()) return false;
    const auto found = graph.emit(node.op, node.attributes, {x->integers, node.inputs[1]}, node.name + "_codes",
                                  {graph[output].shape, graph[output].layout});
    return found && graph.emit_as(output, Op::dequantize, DequantizeAttributes{x->affine}, {*found});
}

}  // namespace

bool only_moves(const Node& node) {
    switch (node.op) {
        case Op::concat:
        case Op::flatten:
        case Op::gather:
        case Op::identity:
        case Op::max_pool:
        case Op::reshape:
        case Op::slice:
        case Op::transpose:
            return true;
        case Op::reduce:
            return node.as<ReductionAttributes>().row->picks;
        case Op::pad:
            return node.as<PadAttributes>().mode != PadAttributes::Mode::constant;
        default:
            return false;
    }
}

std::optional<int> moved_axis(const Node& node, const Shape& from, const Shape& to, int axis) {
    if (axis < 0) return -1;
    const auto at = static_cast<std::size_t>(axis);
    switch (node.op) {
        case Op::identity:
            return axis;
        case Op::gather:
            return to.size() == from.size() && axis != node.as<GatherAttributes>().axis ? std::optional(axis) : std::nullopt;
        case Op::slice: {
            const auto& slice = node.as<SliceAttributes>();
            const bool whole = slice.starts[at] == 0 && slice.steps[at] == 1 && to[at] == from[at];
            return whole ? std::optional(axis) : std::nullopt;
        }
        case Op::max_pool:
            return axis < 2 ? std::optional(axis) : std::nullopt;
        case Op::transpose: {
            const auto& order = node.as<TransposeAttributes>().permutation;
            return static_cast<int>(std::ranges::find(order, axis) - order.begin());
        }
        case Op::flatten:
        case Op::reshape:
            for (std::size_t i = 0; i < to.size(); ++i)
                if (to[i] == from[at] && inner(to, i) == inner(from, at)) return static_cast<int>(i);
            return std::nullopt;
        default:
            return std::nullopt;
    }
}

bool move_integers(Rewriter& graph, const Node& node) {
    const auto output = node.outputs[0];
    const bool zeros = node.op == Op::pad && !only_moves(node) && node.as<PadAttributes>().value == 0;
    if (node.op == Op::lookup) return look_up_integers(graph, node);
    if (graph[output].type.is_integer() || (!only_moves(node) && !zeros)) return false;
    if (node.op == Op::concat) return concat_integers(graph, node);
    auto x = real_of(graph, node.inputs[0]);
    if (!x) return false;
    const auto axis = moved_axis(node, graph[node.inputs[0]].shape, graph[output].shape, x->affine.axis);
    if (!axis) return false;
    auto integers = x->integers;
    if (zeros) {  // the padding is the real 0
        const auto centred = without_zero_point(graph, *x);
        if (!centred) return false;
        integers = *centred;
        std::ranges::fill(x->affine.zero_point, 0);
    }
    const auto moved = graph.emit(node.op, node.attributes, {integers}, node.name + "_codes",
                                  {graph[output].shape, graph[output].layout});
    if (!moved) return false;
    x->affine.axis = *axis;
    return graph.emit_as(output, Op::dequantize, DequantizeAttributes{x->affine}, {*moved});
}

}  // namespace fard::model
