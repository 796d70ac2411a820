// Operators that compute each element by itself (or, Softmax, along one dimension).
#include <algorithm>
#include <cmath>

#include "model/operators.hpp"
#include "model/domains.hpp"

namespace fard::model {
namespace {

OperatorResult like(const Tensor& operand) {
    return {{}, {0}, operand.shape, operand.layout, operand.declared};
}

// ONNX broadcasting. Errors: invalid_input.
Result<Shape> broadcast_shapes(const Shape& a, const Shape& b) {
    Shape result(std::max(a.size(), b.size()));
    for (std::size_t i = 0; i < result.size(); ++i) {
        const auto from_end = [&](const Shape& shape) {
            return i < shape.size() ? shape[shape.size() - 1 - i] : 1;
        };
        const auto left = from_end(a), right = from_end(b);
        if (left != right && left != 1 && right != 1)
            return fail(Fault::invalid_input, "shapes {} and {} do not fit together", shown(a), shown(b));
        result[result.size() - 1 - i] = std::max(left, right);
    }
    return result;
}

Result<OperatorResult> fractions_alone(const OperatorInput& in) {
    if (in[0].declared != "FLOAT32")
        return fail(Fault::unsupported, "computes {} with {}; fard runs it on FLOAT32 alone", in[0].declared,
                    in[1].declared);
    return read_broadcast(in, 0);
}

}  // namespace

Result<OperatorResult> read_broadcast(const OperatorInput& in, std::size_t first) {
    OperatorResult result;
    for (std::size_t i = 0; i < in.operands.size(); ++i) {
        auto shape = broadcast_shapes(result.shape, in[i].shape);
        if (!shape) return fail(shape.error());
        result.shape = *std::move(shape);
        result.kept.push_back(i);
    }
    // Constants have no layout of their own.
    const auto leads = [&](const Tensor* each) { return each->shape.size() == result.shape.size() && !each->is_constant(); };
    const auto leading = std::ranges::find_if(in.operands, leads);
    if (leading != in.operands.end())
        result.layout = (*leading)->layout;
    else
        result.layout = usual_layout(result.shape);
    result.declared = in[first].declared;
    return result;
}

Result<OperatorResult> read_add(const OperatorInput& in) {
    return read_broadcast(in, 0);
}
Result<OperatorResult> read_sub(const OperatorInput& in) {
    return read_broadcast(in, 0);
}
Result<OperatorResult> read_mul(const OperatorInput& in) {
    return read_broadcast(in, 0);
}
// Integers, as in computations of shapes, are divided by constants.
Result<OperatorResult> read_div(const OperatorInput& in) {
    if (in[0].declared == "FLOAT32") return fractions_alone(in);
    const auto& divisor = in[1];
    if (divisor.declared != in[0].declared || !divisor.is_constant())
        return fail(Fault::unsupported, "divides {} by {}; fard divides integers by constants alone",
                    in[0].declared, divisor.declared);
    if (std::ranges::find(divisor.constant->integers, 0) != divisor.constant->integers.end())
        return fail(Fault::invalid_input, "divides by 0");
    return read_broadcast(in, 0);
}
Result<OperatorResult> read_pow(const OperatorInput& in) {
    return fractions_alone(in);
}

Result<OperatorResult> read_identity(const OperatorInput& in) {
    return like(in[0]);
}

// Nothing, but in training.
Result<OperatorResult> read_dropout(const OperatorInput& in) {
    if (in.has(2) && in.constant_number(2) != 0.0)
        return fail(Fault::unsupported, "may be in training mode; export the network for inference");
    return like(in[0]);
}

Result<OperatorResult> read_cast(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const auto to = attributes.integer("to", 0);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto target = declared_name(to);
    if (target.empty()) return fail(Fault::unsupported, "casts to {}", element_name(to));
    auto result = like(in[0]);
    CastAttributes read;
    result.declared = target;
    if (!in[0].range && result.declared != "FLOAT32") {
        const auto type = DataType::parse(result.declared == "INT64" ? "INT32" : target);
        if (!type) return fail(type.error());
        read.range = range_of(*type);
    }
    result.attributes = read;
    return result;
}

Result<OperatorResult> read_softmax(const OperatorInput& in) {
    const bool flattened = in.opset < 13;
    AttributeReader attributes(in.node);
    const auto axis = attributes.integer("axis", flattened ? 1 : -1);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto rank = in[0].shape.size();
    const auto checked = checked_axis(axis, rank, flattened ? rank + 1 : rank);
    if (!checked) return fail(checked.error());
    auto result = like(in[0]);
    result.attributes = SoftmaxAttributes{*checked, flattened};
    return result;
}

Result<OperatorResult> read_batch_normalization(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const auto epsilon = attributes.number("epsilon", 1e-5);
    const auto training = attributes.integer("training_mode", 0);
    if (auto done = attributes.done(); !done) return fail(done.error());
    if (attributes.integer("spatial", 1) == 0)
        return fail(Fault::unsupported, "has spatial 0: means for each pixel");
    if (training != 0)
        return fail(Fault::unsupported, "is in training mode; export the network for inference");
    if (in[0].shape.size() < 2)
        return fail(Fault::invalid_input, "normalises {}, which has no channels", shown(in[0].shape));
    for (std::size_t i = 1; i < 5; ++i)
        if (!in[i].is_constant() || in[i].shape != Shape{in[0].shape[1]})
            return fail(Fault::invalid_input,
                        "operand '{}' must be a constant with one element for each of {} channels",
                        in[i].name, in[0].shape[1]);
    auto result = like(in[0]);
    result.attributes = BatchNormalizationAttributes{epsilon};
    result.kept = {0, 1, 2, 3, 4};
    return result;
}

Result<OperatorResult> read_multi_threshold(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    MultiThresholdAttributes read{attributes.number("out_scale", 1), attributes.number("out_bias", 0), 1};
    const auto layout = attributes.text("data_layout", "NCHW");
    const auto axis = attributes.integer("channel_axis", -1);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto& x = in[0];
    const auto& thresholds = in[1];
    const bool own = in.node.domain == own_domain;  // any dimension
    if (own) {
        if (axis < 0 || axis >= static_cast<std::int64_t>(x.shape.size()))
            if (thresholds.shape.empty() || thresholds.shape[0] != 1)
                return fail(Fault::invalid_input, "attribute 'channel_axis' is {}", axis);
        read.channel_axis = static_cast<int>(axis);
    } else if (x.shape.size() < 2)
        return fail(Fault::invalid_input, "reads {}, which has no channels", shown(x.shape));
    else if (layout.empty() || layout.find_first_not_of("NCHWDT") != std::string::npos)
        return fail(Fault::unsupported, "has data_layout '{}' (known: NCHW, NHWC, NC and the like)", layout);
    else if (layout.back() == 'C')
        read.channel_axis = static_cast<int>(x.shape.size()) - 1;
    const auto channels = extent(x.shape, static_cast<std::size_t>(read.channel_axis));
    if (!thresholds.is_constant() || thresholds.shape.size() != 2 ||
        (thresholds.shape[0] != 1 && thresholds.shape[0] != channels))
        return fail(Fault::invalid_input, "thresholds '{}' must be a constant of 1xT or {}xT, not {}",
                    thresholds.name, channels, shown(thresholds.shape));
    auto result = like(x);
    result.attributes = read;
    result.kept = {0, 1};
    result.declared = "FLOAT32";
    if (!own && read.channel_axis == 3 && x.shape.size() == 4) result.layout = Layout::nhwc;
    return result;
}

}  // namespace fard::model
