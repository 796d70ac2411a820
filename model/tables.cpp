#include "model/tables.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "model/bounds.hpp"

namespace fard::model {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// ---- functions of one element

double half_even(double x) {
    const double below = std::floor(x), distance = x - below;
    if (distance != 0.5) return distance < 0.5 ? below : below + 1;
    return std::fmod(below, 2) == 0 ? below : below + 1;
}

double abs_of(double x, double, double) { return std::fabs(x); }
double acos_of(double x, double, double) { return std::acos(x); }
double acosh_of(double x, double, double) { return std::acosh(x); }
double asin_of(double x, double, double) { return std::asin(x); }
double asinh_of(double x, double, double) { return std::asinh(x); }
double atan_of(double x, double, double) { return std::atan(x); }
double atanh_of(double x, double, double) { return std::atanh(x); }
double ceil_of(double x, double, double) { return std::ceil(x); }
double celu_of(double x, double alpha, double) { return x < 0 ? alpha * std::expm1(x / alpha) : x; }
double cos_of(double x, double, double) { return std::cos(x); }
double cosh_of(double x, double, double) { return std::cosh(x); }
double elu_of(double x, double alpha, double) { return x < 0 ? alpha * std::expm1(x) : x; }
double erf_of(double x, double, double) { return std::erf(x); }
double exp_of(double x, double, double) { return std::exp(x); }
double floor_of(double x, double, double) { return std::floor(x); }
double gelu_of(double x, double, double) { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); }
double gelu_tanh_of(double x, double, double) {
    const double inner = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
    return 0.5 * x * (1 + std::tanh(inner));
}
double hard_swish_of(double x, double, double) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }
double is_inf_of(double x, double negative, double positive) {
    return (x == infinity && positive != 0) || (x == -infinity && negative != 0);
}
double is_nan_of(double x, double, double) { return std::isnan(x); }
double log_of(double x, double, double) { return std::log(x); }
double softplus_of(double x, double, double) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
double mish_of(double x, double, double) { return x * std::tanh(softplus_of(x, 0, 0)); }
double neg_of(double x, double, double) { return -x; }
double not_of(double x, double, double) { return x == 0; }
double reciprocal_of(double x, double, double) { return 1 / x; }
double round_of(double x, double, double) { return half_even(x); }
double selu_of(double x, double alpha, double gamma) { return gamma * (x > 0 ? x : alpha * std::expm1(x)); }
double shrink_of(double x, double bias, double lambd) {
    return x < -lambd ? x + bias : x > lambd ? x - bias : std::isnan(x) ? x : 0;
}
double sign_of(double x, double, double) { return x > 0 ? 1 : x < 0 ? -1 : x; }
double sin_of(double x, double, double) { return std::sin(x); }
double sinh_of(double x, double, double) { return std::sinh(x); }
double softsign_of(double x, double, double) { return x / (1 + std::fabs(x)); }
double tan_of(double x, double, double) { return std::tan(x); }
double thresholded_relu_of(double x, double alpha, double) { return x > alpha ? x : 0; }

// A number with `digits` binary digits, of which the last is worth 2^least or more; beyond `largest` it is infinite.
double shortened(double x, int digits, int least, double largest) {
    if (x == 0 || !std::isfinite(x)) return x;
    const double unit = std::ldexp(1.0, std::max(std::ilogb(x) - digits + 1, least));
    const double rounded = half_even(x / unit) * unit;
    return std::fabs(rounded) > largest ? std::copysign(infinity, x) : rounded;
}
double half_of(double x, double, double) { return shortened(x, 11, -24, 65504); }
double bfloat16_of(double x, double, double) { return shortened(x, 8, -133, 0x1.FEp127); }

Range same(Range x) { return x; }
Range negated(Range x) { return {-x.max, -x.min}; }
Range without_sign(Range x) {
    const auto most = std::max(std::abs(x.min), std::abs(x.max));
    return {x.min > 0 ? x.min : x.max < 0 ? -x.max : 0, most};
}
Range signs(Range x) { return {x.min > 0 ? 1 : x.min < 0 ? -1 : 0, x.max > 0 ? 1 : x.max < 0 ? -1 : 0}; }
Range truths(Range) { return {0, 1}; }

template <double (*function)(double, double, double)>
void each(const double* x, double* y, std::size_t count, double alpha, double beta) {
    for (std::size_t i = 0; i < count; ++i)
        y[i] = function(x[i], alpha, beta);
}

template <double (*function)(double, double, double)>
constexpr FunctionRow row(std::string_view name, int direction = 0, Range (*integers)(Range) = nullptr) {
    return {name, function, each<function>, direction, integers};
}

constexpr FunctionRow with(FunctionRow row, std::string_view first, double alpha, std::string_view second = {},
                           double beta = 0) {
    row.first = first, row.alpha = alpha, row.second = second, row.beta = beta;
    return row;
}

constexpr FunctionRow since(int opset, FunctionRow row) {
    row.since = opset;
    return row;
}

constexpr FunctionRow truth(FunctionRow row) {
    row.truth = true, row.integers = truths;
    return row;
}

constexpr FunctionRow functions[] = {
    row<abs_of>("Abs", 0, without_sign),
    row<acos_of>("Acos"),
    row<acosh_of>("Acosh"),
    row<asin_of>("Asin"),
    row<asinh_of>("Asinh", 1),
    row<atan_of>("Atan", 1),
    row<atanh_of>("Atanh"),
    row<ceil_of>("Ceil", 1, same),
    with(row<celu_of>("Celu"), "alpha", 1),
    row<cos_of>("Cos"),
    row<cosh_of>("Cosh"),
    with(row<elu_of>("Elu"), "alpha", 1),
    row<erf_of>("Erf", 1),
    row<exp_of>("Exp", 1),
    row<floor_of>("Floor", 1, same),
    since(20, row<gelu_of>("Gelu")),
    since(own_opset, row<gelu_tanh_of>("GeluTanh")),
    since(14, row<hard_swish_of>("HardSwish")),
    truth(with(row<is_inf_of>("IsInf"), "detect_negative", 1, "detect_positive", 1)),
    truth(row<is_nan_of>("IsNaN")),
    row<log_of>("Log"),
    since(18, row<mish_of>("Mish")),
    row<neg_of>("Neg", -1, negated),
    truth(row<not_of>("Not")),
    row<reciprocal_of>("Reciprocal"),
    row<round_of>("Round", 1, same),
    with(row<selu_of>("Selu"), "alpha", 1.67326319217681884765625, "gamma", 1.05070102214813232421875),
    with(row<shrink_of>("Shrink"), "bias", 0, "lambd", 0.5),
    row<sign_of>("Sign", 1, signs),
    row<sin_of>("Sin"),
    row<sinh_of>("Sinh", 1),
    row<softplus_of>("Softplus", 1),
    row<softsign_of>("Softsign", 1),
    row<tan_of>("Tan"),
    with(row<thresholded_relu_of>("ThresholdedRelu"), "alpha", 1),
    since(own_opset, row<half_of>("ToFloat16", 1)),
    since(own_opset, row<bfloat16_of>("ToBfloat16", 1)),
};

// ---- functions of two elements

double max_of(double a, double b) { return std::isnan(a) || a > b ? a : b; }
double min_of(double a, double b) { return std::isnan(a) || a < b ? a : b; }
// The sign is that of the divisor. A quotient of whole numbers by 0 is nothing; it gives 0.
double mod_of(double a, double b) {
    if (b == 0) return 0;
    const double rest = std::fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
double fmod_of(double a, double b) { return std::fmod(a, b); }
double fmod_whole_of(double a, double b) { return b == 0 ? 0 : std::fmod(a, b); }
double prelu_of(double x, double slope) { return x < 0 ? slope * x : x; }
double equal_of(double a, double b) { return a == b; }
double greater_of(double a, double b) { return a > b; }
double greater_equal_of(double a, double b) { return a >= b; }
double less_of(double a, double b) { return a < b; }
double less_equal_of(double a, double b) { return a <= b; }
double and_of(double a, double b) { return a != 0 && b != 0; }
double or_of(double a, double b) { return a != 0 || b != 0; }
double xor_of(double a, double b) { return (a != 0) != (b != 0); }

std::optional<Range> larger(Range a, Range b) { return Range{std::max(a.min, b.min), std::max(a.max, b.max)}; }
std::optional<Range> smaller(Range a, Range b) { return Range{std::min(a.min, b.min), std::min(a.max, b.max)}; }
std::optional<Range> rests(Range, Range b) {
    const auto most = std::max(std::abs(b.min), std::abs(b.max));
    return Range{b.min < 0 ? -most : 0, b.max > 0 ? most : 0};
}
std::optional<Range> signed_rests(Range a, Range b) {
    const auto most = std::max(std::abs(b.min), std::abs(b.max));
    return Range{a.min < 0 ? -most : 0, a.max > 0 ? most : 0};
}
std::optional<Range> sloped(Range x, Range slope) {
    if (x.min >= 0) return x;
    const auto below = product({x.min, std::min<std::int64_t>(x.max, 0)}, slope);
    return join(below, {std::max<std::int64_t>(x.min, 0), std::max<std::int64_t>(x.max, 0)});
}
std::optional<Range> truth_of_two(Range, Range) { return Range{0, 1}; }

template <double (*function)(double, double)>
void each_pair(const double* a, const double* b, double* y, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        y[i] = function(a[i], b[i]);
}

template <double (*function)(double, double)>
constexpr PairwiseRow pair(std::string_view name, std::optional<Range> (*integers)(Range, Range) = nullptr, int since = 1) {
    return {name, function, each_pair<function>, integers, since, integers == truth_of_two};
}

constexpr PairwiseRow pairs[] = {
    pair<and_of>("And", truth_of_two),
    pair<equal_of>("Equal", truth_of_two),
    pair<fmod_of>("Fmod", nullptr, own_opset),
    pair<fmod_whole_of>("FmodWhole", signed_rests, own_opset),
    pair<greater_of>("Greater", truth_of_two),
    pair<greater_equal_of>("GreaterOrEqual", truth_of_two, 12),
    pair<less_of>("Less", truth_of_two),
    pair<less_equal_of>("LessOrEqual", truth_of_two, 12),
    pair<max_of>("Max", larger),
    pair<min_of>("Min", smaller),
    pair<mod_of>("Mod", rests),
    pair<or_of>("Or", truth_of_two),
    pair<prelu_of>("PRelu", sloped),
    pair<xor_of>("Xor", truth_of_two),
};

// ---- reductions

double plus(double total, double x) { return total + x; }
double plus_size(double total, double x) { return total + std::fabs(x); }
double plus_square(double total, double x) { return total + x * x; }
double plus_power(double total, double x) { return total + std::exp(x); }
double times(double total, double x) { return total * x; }
double itself(double total) { return total; }
double root(double total) { return std::sqrt(total); }
double logarithm(double total) { return std::log(total); }

std::optional<Range> picked(Range x, std::int64_t) { return x; }
std::optional<Range> sizes(Range x, std::int64_t count) { return repeated(without_sign(x), count); }
std::optional<Range> squares(Range x, std::int64_t count) {
    const auto size = without_sign(x);
    return repeated(product(size, size), count);
}

template <double (*add)(double, double)>
double fold(double total, const double* x, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        total = add(total, x[i]);
    return total;
}

template <double (*add)(double, double)>
void add_each(double* totals, const double* x, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        totals[i] = add(totals[i], x[i]);
}

template <double (*add)(double, double)>
constexpr ReductionRow over(std::string_view name, double start, double (*end)(double),
                            std::optional<Range> (*integers)(Range, std::int64_t) = nullptr) {
    return {name, start, add, fold<add>, add_each<add>, end, integers, integers == picked};
}

constexpr ReductionRow reductions[] = {
    over<plus_size>("ReduceL1", 0, itself, sizes),
    over<plus_square>("ReduceL2", 0, root),
    over<plus>("ReduceLogSum", 0, logarithm),
    over<plus_power>("ReduceLogSumExp", 0, logarithm),
    over<max_of>("ReduceMax", -infinity, itself, picked),
    over<min_of>("ReduceMin", infinity, itself, picked),
    over<times>("ReduceProd", 1, itself),
    over<plus_square>("ReduceSumSquare", 0, itself, squares),
};

const auto* find_in(const auto& rows, std::string_view name) {
    const auto row = std::ranges::find_if(rows, [&](const auto& each) { return each.name == name; });
    return row == std::end(rows) ? nullptr : &*row;
}

}  // namespace

std::span<const FunctionRow> function_rows() { return functions; }
std::span<const PairwiseRow> pairwise_rows() { return pairs; }
std::span<const ReductionRow> reduction_rows() { return reductions; }

const FunctionRow* find_function(std::string_view name) { return find_in(functions, name); }
const PairwiseRow* find_pairwise(std::string_view name) { return find_in(pairs, name); }
const ReductionRow* find_reduction(std::string_view name) { return find_in(reductions, name); }

}  // namespace fard::model
