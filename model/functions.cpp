#include "model/functions.hpp"

#include <algorithm>
#include <cmath>

#include "model/tables.hpp"

namespace fard::model {
namespace {

// nearbyint() would follow the thread's rounding mode.
double half_even(double x) {
    const double below = std::floor(x), distance = x - below;
    if (distance < 0.5) return below;
    if (distance > 0.5) return below + 1;
    return std::fmod(below, 2) == 0 ? below : below + 1;
}

// The same, to which a whole number is added, within a range: without branches for the usual numbers.
std::int32_t quantized_half_even(double x, double zero, const Range& range) {
    constexpr double beyond = 0x1.8p52;  // of what is so large a double has only the whole part
    const auto whole = (std::abs(x) < 0x1p51 ? (x + beyond) - beyond : half_even(x)) + zero;
    const auto min = static_cast<double>(range.min), max = static_cast<double>(range.max);
    return static_cast<std::int32_t>(std::min(std::max(whole, min), max));
}

double clip(const ClipAttributes& bounds, double x) {
    return std::min(std::max(x, bounds.min), bounds.max);
}

}  // namespace

bool is_function(Op op) {
    return op == Op::relu || op == Op::leaky_relu || op == Op::clip || op == Op::sigmoid || op == Op::tanh ||
           op == Op::hard_sigmoid || op == Op::sqrt || op == Op::function;
}

double apply_function(const Node& node, double x) {
    switch (node.op) {
        case Op::relu:
            return x < 0 ? 0 : x;
        case Op::leaky_relu:
            return x < 0 ? node.as<LeakyReluAttributes>().alpha * x : x;
        case Op::clip:
            return clip(node.as<ClipAttributes>(), x);
        case Op::sigmoid:
            return 1 / (1 + std::exp(-x));
        case Op::tanh:
            return std::tanh(x);
        case Op::hard_sigmoid: {
            const auto& line = node.as<HardSigmoidAttributes>();
            return clip({0, 1}, line.alpha * x + line.beta);
        }
        case Op::sqrt:
            return std::sqrt(x);
        case Op::function: {
            const auto& function = node.as<FunctionAttributes>();
            return function.row->of(x, function.alpha, function.beta);
        }
        default:
            return x;
    }
}

double rounded(Rounding rounding, double x) {
    switch (rounding) {
        case Rounding::half_even:
            return half_even(x);
        case Rounding::ceil:
            return std::ceil(x);
        case Rounding::floor:
            return std::floor(x);
        case Rounding::away_from_zero:
            return x < 0 ? std::floor(x) : std::ceil(x);
        case Rounding::to_zero:
            return std::trunc(x);
        case Rounding::half_away_from_zero:
            return std::round(x);
        case Rounding::half_to_zero:
            return x < 0 ? std::floor(x + 0.5) : std::ceil(x - 0.5);
        case Rounding::to_sign:
            return x < 0 ? -1 : 1;
    }
    return x;
}

std::int32_t clamped(double whole, const Range& range) {
    if (std::isnan(whole)) whole = 0;
    const auto min = static_cast<double>(range.min), max = static_cast<double>(range.max);
    return static_cast<std::int32_t>(std::clamp(whole, min, max));
}

std::int32_t quantized(const QuantizeAttributes& attributes, std::size_t channel, double x) {
    const auto& affine = attributes.affine;
    const auto at = affine.scale.size() == 1 ? 0 : channel;
    const double zero = affine.zero_point[at];
    const double scaled = (std::isnan(x) ? 0 : x) / affine.scale[at];
    if (attributes.rounding == Rounding::half_even)
        return attributes.add_then_round ? quantized_half_even(scaled + zero, 0, attributes.range)
                                         : quantized_half_even(scaled, zero, attributes.range);
    return clamped(attributes.add_then_round ? rounded(attributes.rounding, scaled + zero)
                                             : rounded(attributes.rounding, scaled) + zero,
                   attributes.range);
}

std::int32_t quantized_fraction(const QuantizeAttributes& attributes, std::size_t channel, float x) {
    const auto& affine = attributes.affine;
    const auto at = affine.scale.size() == 1 ? 0 : channel;
    const double zero = affine.zero_point[at];
    const float scaled = (std::isnan(x) ? 0 : x) / static_cast<float>(affine.scale[at]);
    return clamped(attributes.add_then_round ? rounded(attributes.rounding, scaled + static_cast<float>(zero))
                                             : rounded(attributes.rounding, scaled) + zero,
                   attributes.range);
}

}  // namespace fard::model
