// Sums, means and products on integers.
#include <algorithm>

#include "model/passes/real.hpp"
#include "model/passes/rules.hpp"

namespace fard::model {
namespace {

constexpr std::int64_t most_ones = 1 << 20;  // weights of a pool

// The dimension behind the reduction, where the scales of x stand; none where it is summed over.
std::optional<int> axis_behind(const ReduceAttributes& reduce, int axis) {
    int before = 0;
    for (const auto each : reduce.axes) {
        if (each == axis) return std::nullopt;
        before += each < axis ? 1 : 0;
    }
    return axis < 0 || reduce.keep_dims ? axis : axis - before;
}

// Sums over whole dimensions; `count` elements each, 1 where they are not divided.
bool reduce_integers(Rewriter& graph, const Node& node, const ReduceAttributes& reduce, double count) {
    const auto output = node.outputs[0];
    const auto x = real_of(graph, node.inputs[0]);
    if (!x || graph[x->integers].is_constant()) return false;
    const auto axis = axis_behind(reduce, x->affine.axis);
    if (!axis) return false;
    const auto centred = without_zero_point(graph, *x);
    if (!centred) return false;
    const auto sums = graph.emit(Op::reduce_sum, reduce, {*centred}, node.name + "_sums",
                                 {graph[output].shape, graph[output].layout, true});
    if (!sums) return false;
    auto scale = x->affine.scale;
    for (auto& each : scale)
        each /= count;
    finish_real(graph, output, *sums, std::move(scale), *axis);
    return true;
}

// Whether every window has all its elements on the image, or on padding that counts.
bool divides_alike(const PoolAttributes& pool, const Shape& from, const Shape& to) {
    const auto whole = [&](std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride,
                           std::int64_t dilation, std::int64_t pads) {
        return (out - 1) * stride + (kernel - 1) * dilation + 1 <= in + pads;
    };
    const auto& pads = pool.pads;
    return (pads == Pads{} || pool.count_include_pad) &&
           whole(from[2], to[2], pool.kernel.height, pool.strides.height, pool.dilations.height,
                 pads.top + pads.bottom) &&
           whole(from[3], to[3], pool.kernel.width, pool.strides.width, pool.dilations.width,
                 pads.left + pads.right);
}

// A convolution with weights of 1, each channel by itself.
bool average_pool(Rewriter& graph, const Node& node) {
    const auto output = node.outputs[0];
    const auto pool = node.as<PoolAttributes>();
    const auto channels = graph[output].shape[1];
    if (!divides_alike(pool, graph[node.inputs[0]].shape, graph[output].shape)) return false;
    const Shape shape{channels, 1, pool.kernel.height, pool.kernel.width};
    if (std::ranges::max(shape) > most_ones || static_cast<std::int64_t>(elements(shape)) > most_ones)
        return false;
    const auto x = real_of(graph, node.inputs[0]);
    if (!x || x->affine.axis > 1) return false;
    const auto centred = without_zero_point(graph, *x);
    if (!centred) return false;
    const auto ones =
        graph.constant(node.name + "_ones", shape, {std::vector<std::int32_t>(elements(shape), 1), {}});
    const auto sums =
        graph.emit(Op::conv, ConvAttributes{pool.kernel, pool.strides, pool.dilations, pool.pads, channels},
                   {*centred, ones}, node.name + "_sums", {graph[output].shape, graph[output].layout, true});
    if (!sums) return false;
    auto scale = x->affine.scale;
    for (auto& each : scale)
        each /= static_cast<double>(pool.kernel.height * pool.kernel.width);
    finish_real(graph, output, *sums, std::move(scale), x->affine.axis);
    return true;
}

bool binary(Rewriter& graph, const Node& node) {
    const auto output = node.outputs[0];
    if (graph[node.inputs[0]].is_constant() || graph[node.inputs[1]].is_constant()) return false;
    const auto a = real_of(graph, node.inputs[0]);
    const auto b = a ? real_of(graph, node.inputs[1]) : std::nullopt;
    if (!a || !b || !a->whole_tensor() || !b->whole_tensor()) return false;
    if (node.op != Op::mul && a->scale() != b->scale()) return false;
    const auto left = without_zero_point(graph, *a), right = without_zero_point(graph, *b);
    if (!left || !right) return false;
    const auto combined = graph.emit(node.op, {}, {*left, *right}, node.name + "_sums",
                                     {graph[output].shape, graph[output].layout, true});
    if (!combined) return false;
    finish_real(graph, output, *combined, {node.op == Op::mul ? a->scale() * b->scale() : a->scale()}, -1);
    return true;
}

}  // namespace

bool sum_integers(Rewriter& graph, const Node& node) {
    if (graph[node.outputs[0]].type.is_integer()) return false;
    const auto count = [&] {
        return static_cast<double>(graph[node.inputs[0]].elements() / graph[node.outputs[0]].elements());
    };
    switch (node.op) {
        case Op::reduce_sum:
            return reduce_integers(graph, node, node.as<ReduceAttributes>(), 1);
        case Op::reduce_mean:
            return reduce_integers(graph, node, node.as<ReduceAttributes>(), count());
        case Op::global_average_pool:
            return reduce_integers(graph, node, {{2, 3}, true}, count());
        case Op::average_pool:
            return average_pool(graph, node);
        case Op::add:
        case Op::sub:
        case Op::mul:
            return binary(graph, node);
        default:
            return false;
    }
}

}  // namespace fard::model
