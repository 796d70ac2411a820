// Functions that compute each element by itself.
#include <cmath>
#include <limits>

#include "model/operators.hpp"

namespace fard::model {
namespace {

OperatorResult like(const Tensor& operand, Attributes attributes = {}) {
    return {std::move(attributes), {0}, operand.shape, operand.layout, operand.declared};
}

// A bound of Clip: a constant operand, or none.
Result<double> bound(const OperatorInput& in, std::size_t operand, double none) {
    if (!in.has(operand)) return none;
    const auto value = in.constant_number(operand);
    if (!value)
        return fail(Fault::unsupported, "has a bound '{}' that is not a constant number", in[operand].name);
    return *value;
}

}  // namespace

Result<OperatorResult> read_relu(const OperatorInput& in) {
    return like(in[0]);
}
Result<OperatorResult> read_sigmoid(const OperatorInput& in) {
    return like(in[0]);
}
Result<OperatorResult> read_tanh(const OperatorInput& in) {
    return like(in[0]);
}
Result<OperatorResult> read_sqrt(const OperatorInput& in) {
    return like(in[0]);
}

Result<OperatorResult> read_leaky_relu(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const LeakyReluAttributes read{attributes.number("alpha", 0.01F)};
    if (auto done = attributes.done(); !done) return fail(done.error());
    return like(in[0], read);
}

Result<OperatorResult> read_hard_sigmoid(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const HardSigmoidAttributes read{attributes.number("alpha", 0.2F), attributes.number("beta", 0.5)};
    if (auto done = attributes.done(); !done) return fail(done.error());
    return like(in[0], read);
}

// Before opset 11 the bounds are attributes.
Result<OperatorResult> read_clip(const OperatorInput& in) {
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    AttributeReader attributes(in.node);
    const auto min = attributes.number("min", -infinity), max = attributes.number("max", infinity);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto low = bound(in, 1, min), high = bound(in, 2, max);
    if (!low) return fail(low.error());
    if (!high) return fail(high.error());
    if (std::isnan(*low) || std::isnan(*high))
        return fail(Fault::invalid_input, "has a bound that is not a number");
    return like(in[0], ClipAttributes{*low, *high});
}

}  // namespace fard::model
