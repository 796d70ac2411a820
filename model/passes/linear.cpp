// Conv, Gemm and MatMul on integers.
#include <algorithm>
#include <cmath>

#include "model/passes/real.hpp"
#include "model/passes/rules.hpp"

namespace fard::model {
namespace {

// The dimension of the weights that counts output channels; -1: there is none.
int channel_axis(const Node& node, const Shape& weights) {
    if (node.op == Op::conv) return 0;
    if (weights.size() != 2) return -1;
    return node.op == Op::gemm && node.as<GemmAttributes>().transpose_b ? 0 : 1;
}

bool is_plain(const Node& node) {
    if (node.op != Op::gemm) return true;
    const auto& gemm = node.as<GemmAttributes>();
    return gemm.alpha == 1 && gemm.beta == 1;
}

// The bias as integers of these scales, if it is stored so. Exporters compute the product of both scales in
// float.
std::optional<TensorId> integer_bias(Rewriter& graph, TensorId bias, const std::vector<double>& scale) {
    const auto real = real_of(graph, bias);
    if (!real || !graph[real->integers].is_constant()) return std::nullopt;
    const auto& own = real->affine;
    // Its scales must stand along the output channels, which are its last dimension.
    if (!real->whole_tensor() && own.axis + 1 != static_cast<int>(graph[real->integers].shape.size()))
        return std::nullopt;
    if (std::ranges::any_of(own.zero_point, [](auto zero) { return zero != 0; })) return std::nullopt;
    const auto channels = std::max(scale.size(), own.scale.size());
    if ((scale.size() != 1 && scale.size() != channels) ||
        (own.scale.size() != 1 && own.scale.size() != channels))
        return std::nullopt;
    for (std::size_t i = 0; i < channels; ++i) {
        const auto wanted = scale[scale.size() == 1 ? 0 : i],
                   given = own.scale[own.scale.size() == 1 ? 0 : i];
        if (std::abs(given - wanted) > wanted * 0x1p-22) return std::nullopt;
    }
    return real->integers;
}

// A bias of fractions, in a shape that broadcasts to the output.
TensorId broadcast_bias(Rewriter& graph, const Node& node, TensorId bias) {
    if (node.op != Op::conv) return bias;
    auto values = *graph[bias].constant;
    return graph.constant(graph[bias].name, {graph[bias].shape[0], 1, 1}, std::move(values));
}

}  // namespace

bool linear_on_integers(Rewriter& graph, const Node& node) {
    if (node.op != Op::conv && node.op != Op::gemm && node.op != Op::matmul) return false;
    const auto output = node.outputs[0];
    if (graph[output].type.is_integer() || !is_plain(node)) return false;
    const auto x = real_of(graph, node.inputs[0]);
    if (!x || !x->whole_tensor()) return false;
    const auto w = real_of(graph, node.inputs[1]);
    if (!w) return false;
    const auto& weights = graph[w->integers];
    if (!w->whole_tensor() && (!weights.is_constant() || w->affine.axis != channel_axis(node, weights.shape)))
        return false;

    std::vector<double> scale;
    for (const auto each : w->affine.scale)
        scale.push_back(x->scale() * each);
    const auto left = graph.centred(x->integers, x->zero_point());
    const auto right = without_zero_point(graph, *w);
    if (!left || !right) return false;
    std::vector<TensorId> inputs{*left, *right};
    std::optional<TensorId> late_bias;
    if (node.inputs.size() > 2) {
        if (const auto whole = integer_bias(graph, node.inputs[2], scale))
            inputs.push_back(*whole);
        else
            late_bias = node.inputs[2];
    }
    const auto shape = graph[output].shape;
    const auto layout = graph[output].layout;
    const auto sums =
        graph.emit(node.op, node.attributes, inputs, node.name + "_sums", {shape, layout, true});
    if (!sums) return false;
    const int axis = node.op == Op::conv ? 1 : static_cast<int>(shape.size()) - 1;
    if (!late_bias) {
        finish_real(graph, output, *sums, std::move(scale), axis);
        return true;
    }
    const bool unit = std::ranges::all_of(scale, [](double each) { return each == 1; });
    auto real = *sums;
    if (!unit) {
        std::vector<std::int32_t> zeros(scale.size(), 0);
        const int along = scale.size() == 1 ? -1 : axis;
        real = *graph.emit(Op::dequantize, DequantizeAttributes{{std::move(scale), std::move(zeros), along}},
                           {*sums}, node.name + "_unbiased", {shape, layout, true});
    }
    return graph.emit_as(output, Op::add, {}, {real, broadcast_bias(graph, node, *late_bias)});
}

}  // namespace fard::model
