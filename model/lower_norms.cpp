// Normalisations over dimensions, as the standard writes them out, and what transformers have around them.
#include <algorithm>

#include "model/domains.hpp"
#include "model/lower.hpp"

namespace fard::model {
namespace {

using List = std::vector<std::int64_t>;

List from_axis(std::size_t axis, std::size_t rank) {
    List axes;
    for (; axis < rank; ++axis)
        axes.push_back(static_cast<std::int64_t>(axis));
    return axes;
}

struct Normalised {
    std::string value, mean, deviation;
};

// (x - mean) / sqrt(variance + epsilon)
Normalised normalised(Lowering& to, const std::string& x, const List& axes, double epsilon) {
    const auto mean = to.put("ReduceMean", {x}, {{"axes", axes}});
    const auto distance = to.put("Sub", {x, mean});
    const auto variance = to.put("ReduceMean", {to.put("Mul", {distance, distance})}, {{"axes", axes}});
    const auto deviation = to.put("Sqrt", {to.put("Add", {variance, to.number(epsilon)})});
    return {to.put("Div", {distance, deviation}), mean, deviation};
}

void scale_and_shift(Lowering& to, const std::string& x, const std::string& scale, const std::string& bias) {
    const auto scaled = scale.empty() ? x : to.put("Mul", {x, scale});
    bias.empty() ? to.make("Identity", {scaled}) : to.make("Add", {scaled, bias});
}

void layer_normalization(Lowering& to, const std::string& x, std::size_t axis, double epsilon, const std::string& scale,
                         const std::string& bias, std::size_t first_extra) {
    const auto made = normalised(to, x, from_axis(axis, to.shape(x).size()), epsilon);
    scale_and_shift(to, made.value, scale, bias);
    to.make("Identity", {made.mean}, {}, "", first_extra);
    to.make("Reciprocal", {made.deviation}, {}, "", first_extra + 1);
}

void lower_layer_normalization(Lowering& to) {
    const auto axis = to.axis(to.attributes.integer("axis", -1), to.shape(to.in(0)).size());
    layer_normalization(to, to.in(0), axis, to.attributes.number("epsilon", 1e-5F), to.in(1), to.in(2), 1);
}

// ONNX Runtime's: the sum of two (and a bias) is normalised.
void lower_skip_layer_normalization(Lowering& to) {
    auto x = to.put("Add", {to.in(0), to.in(1)});
    if (to.has(4)) x = to.put("Add", {x, to.in(4)});
    const auto rank = to.shape(x).size();
    if (to.failed() || rank == 0) return;
    layer_normalization(to, x, rank - 1, to.attributes.number("epsilon", 1e-12F), to.in(2), to.in(3), 1);
    to.make("Identity", {x}, {}, "", 3);
}

// One number for each channel, in front of as many dimensions as follow it.
std::string per_channel(Lowering& to, const std::string& list, std::int64_t channels, std::size_t rank) {
    Shape shape(rank - 1, 1);
    shape[0] = channels;
    return to.reshaped(list, shape);
}

void lower_instance_normalization(Lowering& to) {
    const auto shape = to.shape(to.in(0));
    const auto epsilon = to.attributes.number("epsilon", 1e-5F);
    if (to.failed()) return;
    if (shape.size() < 3) return to.refuse(Fault::invalid_input, "normalises " + shown(shape) + ", which has no channels");
    const auto made = normalised(to, to.in(0), from_axis(2, shape.size()), epsilon);
    scale_and_shift(to, made.value, per_channel(to, to.in(1), shape[1], shape.size()),
                    per_channel(to, to.in(2), shape[1], shape.size()));
}

// Until opset 21 there is one number for each group.
std::string per_group_or_channel(Lowering& to, const std::string& list, const Shape& shape, std::int64_t groups) {
    auto each = list;
    const auto own = to.shape(list);
    if (own == Shape{groups} && groups != shape[1] && to.may_make(shape[1])) {
        List indices;
        for (std::int64_t c = 0; c < shape[1]; ++c)
            indices.push_back(c / (shape[1] / groups));
        each = to.put("Gather", {list, to.integers(indices)});
    }
    return per_channel(to, each, shape[1], shape.size());
}

void lower_group_normalization(Lowering& to) {
    const auto shape = to.shape(to.in(0));
    const auto groups = to.attributes.integer("num_groups", 1);
    const auto epsilon = to.attributes.number("epsilon", 1e-5F);
    if (to.failed()) return;
    if (shape.size() < 3 || groups < 1 || shape[1] % groups != 0)
        return to.refuse(Fault::invalid_input, fmt::format("normalises {} in {} groups", shown(shape), groups));
    const auto each = static_cast<std::int64_t>(elements(shape)) / shape[0] / groups;
    const auto made = normalised(to, to.reshaped(to.in(0), {shape[0], groups, each}), {2}, epsilon);
    scale_and_shift(to, to.reshaped(made.value, shape), per_group_or_channel(to, to.in(1), shape, groups),
                    per_group_or_channel(to, to.in(2), shape, groups));
}

void lower_mean_variance_normalization(Lowering& to) {
    const auto x = to.in(0);
    const auto axes = to.attributes.integers("axes", {0, 2, 3});
    const auto mean = to.put("ReduceMean", {x}, {{"axes", axes}});
    const auto distance = to.put("Sub", {x, mean});
    const auto variance = to.put("ReduceMean", {to.put("Mul", {distance, distance})}, {{"axes", axes}});
    to.make("Div", {distance, to.put("Add", {to.put("Sqrt", {variance}), to.number(1e-9)})});
}

void lower_lp_normalization(Lowering& to) {
    const auto p = to.attributes.integer("p", 2), axis = to.attributes.integer("axis", -1);
    const auto size = to.put(p == 1 ? "ReduceL1" : "ReduceL2", {to.in(0)}, {{"axes", List{axis}}});
    to.make("Div", {to.in(0), size});
}

// Until opset 13 over all dimensions from `axis` on.
std::string flattened(Lowering& to, const std::string& x, std::size_t axis, bool flat) {
    const auto shape = to.shape(x);
    if (!flat) return x;
    const auto begin = shape.begin() + static_cast<std::ptrdiff_t>(std::min(axis, shape.size()));
    return to.reshaped(x, {static_cast<std::int64_t>(elements(Shape(shape.begin(), begin))),
                           static_cast<std::int64_t>(elements(Shape(begin, shape.end())))});
}

void lower_log_softmax(Lowering& to) {
    const bool flat = to.opset() < 13;
    const auto shape = to.shape(to.in(0));
    const auto axis = to.axis(to.attributes.integer("axis", flat ? 1 : -1), shape.size());
    const auto x = flattened(to, to.in(0), axis, flat);
    const List along{flat ? 1 : static_cast<std::int64_t>(axis)};
    const auto distance = to.put("Sub", {x, to.put("ReduceMax", {x}, {{"axes", along}})});
    const auto sum = to.put("ReduceLogSumExp", {distance}, {{"axes", along}});
    const auto result = to.put("Sub", {distance, sum});
    flat ? to.make("Reshape", {result, to.integers(shape)}) : to.make("Identity", {result});
}

// ONNX Runtime's softmax of integers says itself which opset it is of.
void lower_qlinear_softmax(Lowering& to) {
    const bool flat = to.attributes.integer("opset", 13) < 13;
    const auto shape = to.shape(to.in(0));
    const auto axis = to.axis(to.attributes.integer("axis", flat ? 1 : -1), shape.size());
    if (to.failed()) return;
    auto x = to.put("DequantizeLinear", {to.in(0), to.in(1), to.in(2)});
    List order = from_axis(0, shape.size());
    if (!flat) std::swap(order[axis], order.back());
    const bool turns = !std::ranges::is_sorted(order);
    if (turns) x = to.put("Transpose", {x}, {{"perm", order}});
    const auto turned = to.shape(x);
    x = flattened(to, x, flat ? axis : shape.size() - 1, true);
    x = to.reshaped(to.put("Softmax", {x}, {{"axis", std::int64_t{1}}}), turned);
    if (turns) x = to.put("Transpose", {x}, {{"perm", order}});
    to.make("QuantizeLinear", {x, to.in(3), to.in(4)});
}

// x * 0.5 * (1 + erf(x / sqrt(2))), or its approximation by tanh; ONNX Runtime's with a bias before it.
void lower_gelu(Lowering& to) {
    const bool fast = to.node().op == "FastGelu" || to.attributes.text("approximate", "none") == "tanh";
    const auto x = to.has(1) ? to.put("Add", {to.in(0), to.in(1)}) : to.in(0);
    to.make(fast ? "GeluTanh" : "Gelu", {x}, {}, own_domain);
}

}  // namespace

const std::vector<LoweredRow>& lowered_norms() {
    constexpr auto microsoft = microsoft_domain;
    static const std::vector<LoweredRow> rows{
        {"", "Gelu", 1, 1, lower_gelu, "approximate"},
        {"", "GroupNormalization", 3, 3, lower_group_normalization, "epsilon num_groups stash_type"},
        {"", "InstanceNormalization", 3, 3, lower_instance_normalization, "epsilon"},
        {"", "LayerNormalization", 2, 3, lower_layer_normalization, "axis epsilon stash_type"},
        {"", "LogSoftmax", 1, 1, lower_log_softmax, "axis"},
        {"", "LpNormalization", 1, 1, lower_lp_normalization, "axis p"},
        {"", "MeanVarianceNormalization", 1, 1, lower_mean_variance_normalization, "axes"},
        {microsoft, "BiasGelu", 2, 2, lower_gelu},
        {microsoft, "FastGelu", 1, 2, lower_gelu},
        {microsoft, "Gelu", 1, 1, lower_gelu},
        {microsoft, "QLinearSoftmax", 4, 5, lower_qlinear_softmax, "axis opset"},
        {microsoft, "SkipLayerNormalization", 3, 5, lower_skip_layer_normalization, "epsilon"},
    };
    return rows;
}

}  // namespace fard::model
