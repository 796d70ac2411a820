#include "model/passes/real.hpp"

#include <algorithm>
#include <cmath>

namespace fard::model {
namespace {

// The value of a constant of one element above 0.
std::optional<double> factor(const Tensor& tensor) {
    if (!tensor.is_constant() || tensor.elements() != 1) return std::nullopt;
    const auto& values = *tensor.constant;
    const double value = values.integers.empty() ? static_cast<double>(values.floats[0]) : values.integers[0];
    return value > 0 && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

constexpr int most_factors = 16;  // one behind the other; a file may have any number

std::optional<Real> real_behind(Rewriter& graph, TensorId id, int factors);

std::optional<Real> scaled(Rewriter& graph, const Node& made, int factors) {
    if (made.op != Op::mul && made.op != Op::div) return std::nullopt;
    const bool swapped = made.op == Op::mul && graph[made.inputs[0]].is_constant();
    const auto data = made.inputs[swapped ? 1 : 0];
    const auto by = factor(graph[made.inputs[swapped ? 0 : 1]]);
    if (!by || graph[data].is_constant() || graph[data].shape != graph[made.outputs[0]].shape)
        return std::nullopt;
    if (factors == most_factors) return std::nullopt;
    auto real = real_behind(graph, data, factors + 1);
    if (!real) return std::nullopt;
    for (auto& scale : real->affine.scale)
        scale = made.op == Op::mul ? scale * *by : scale / *by;
    return real;
}

// `factors`: how many lie behind it.
std::optional<Real> real_behind(Rewriter& graph, TensorId id, int factors) {
    if (const auto* codes = graph.codes(id)) {
        if (codes->tensor) return Real{*codes->tensor, codes->affine};
        const auto shape = graph[id].shape;
        return Real{graph.constant(graph[id].name + "_codes", shape, {codes->integers, {}}, codes->type),
                    codes->affine};
    }
    if (graph[id].type.is_integer()) return Real{id, {{1}, {0}, -1}};
    const auto* producer = graph.producer(id);
    if (producer == nullptr) return std::nullopt;
    if (producer->op == Op::dequantize)
        return Real{producer->inputs[0], producer->as<DequantizeAttributes>().affine};
    return scaled(graph, Node(*producer), factors);
}

}  // namespace

std::optional<Real> real_of(Rewriter& graph, TensorId id) {
    return real_behind(graph, id, 0);
}

void finish_real(Rewriter& graph, TensorId output, TensorId integers, std::vector<double> scale, int axis) {
    if (std::ranges::all_of(scale, [](double each) { return each == 1; }))
        return graph.replace(output, integers);
    if (scale.size() == 1) axis = -1;
    std::vector<std::int32_t> zeros(scale.size(), 0);
    graph.emit_as(output, Op::dequantize, DequantizeAttributes{{std::move(scale), std::move(zeros), axis}},
                  {integers});
}

std::optional<TensorId> without_zero_point(Rewriter& graph, const Real& real) {
    const auto& zeros = real.affine.zero_point;
    if (std::ranges::all_of(zeros, [&](auto zero) { return zero == zeros[0]; }))
        return graph.centred(real.integers, zeros[0]);
    const auto shape = graph[real.integers].shape;
    Shape broadcast(shape.size() - static_cast<std::size_t>(real.affine.axis), 1);
    broadcast[0] = static_cast<std::int64_t>(zeros.size());
    const auto constant = graph.constant(graph[real.integers].name + "_zero_point", broadcast, {zeros, {}});
    const auto layout = graph[real.integers].layout;
    return graph.emit(Op::sub, {}, {real.integers, constant}, graph[real.integers].name + "_centred",
                      {shape, layout, true});
}

}  // namespace fard::model
