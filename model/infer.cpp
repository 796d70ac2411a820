#include "model/infer.hpp"

#include <algorithm>
#include <cmath>

#include "model/tables.hpp"

namespace fard::model {
namespace {

using Operands = std::span<const Tensor* const>;

bool all_integer(Operands operands) {
    return std::ranges::all_of(operands, [](const Tensor* each) { return each->type.is_integer(); });
}

bool is_whole(double value) {
    return value == std::rint(value) && std::abs(value) < 0x1p31;
}

bool is_bipolar(const Tensor& tensor) {
    return tensor.type == DataType::bipolar();
}

// For each column of a constant matrix; of its transpose, for each row.
std::vector<SignedSums> sums_of_columns(const Tensor& matrix, bool transposed) {
    const auto rows = static_cast<std::size_t>(matrix.shape[0]), columns = static_cast<std::size_t>(matrix.shape[1]);
    const std::span<const std::int32_t> all(matrix.constant->integers);
    if (!transposed) return column_sums(all, columns);
    std::vector<SignedSums> sums;
    for (std::size_t row = 0; row < rows; ++row)
        sums.push_back(signed_sums(all.subspan(row * columns, columns)));
    return sums;
}

// The widest one of a . b; `b` may be constant.
Range product_range(const Tensor& a, const Tensor& b, std::int64_t inner, bool transpose_b) {
    if (!b.is_constant() || b.shape.size() != 2) return repeated(product(*a.range, *b.range), inner);
    std::optional<Range> all;
    for (const auto& each : sums_of_columns(b, transpose_b)) {
        const auto one = weighted_sum(*a.range, each);
        all = all ? join(*all, one) : one;
    }
    return *all;
}

// Integers of the model are divided by others towards 0; what it has as fractions gives fractions.
std::optional<Bounds> quotient_bounds(const Tensor& a, const Tensor& b) {
    if (a.declared == "FLOAT32" || b.declared == "FLOAT32") return std::nullopt;
    const auto most = std::max(std::abs(a.range->min), std::abs(a.range->max));
    return Bounds{{a.range->min < 0 || b.range->min < 0 ? -most : 0, most}};
}

std::optional<Bounds> gemm_bounds(const GemmAttributes& gemm, Operands in) {
    if (!is_whole(gemm.alpha) || !is_whole(gemm.beta)) return std::nullopt;
    const auto alpha = static_cast<std::int64_t>(gemm.alpha), beta = static_cast<std::int64_t>(gemm.beta);
    const auto inner = in[0]->shape[gemm.transpose_a ? 0 : 1];
    Range range = product(product_range(*in[0], *in[1], inner, gemm.transpose_b), {alpha, alpha});
    if (in.size() > 2) range = sum(range, product(*in[2]->range, {beta, beta}));
    return Bounds{range};
}

// The widest channel's.
Bounds conv_bounds(const ConvAttributes& conv, Operands in) {
    const std::span<const std::int32_t> weights(in[1]->constant->integers);
    const auto channels = static_cast<std::size_t>(in[1]->shape[0]);
    const auto each = weights.size() / channels;
    const Range x = conv.pads != Pads{} ? with_zero(*in[0]->range) : *in[0]->range;
    std::optional<Range> all;
    for (std::size_t channel = 0; channel < channels; ++channel) {
        Range one = weighted_sum(x, signed_sums(weights.subspan(channel * each, each)));
        if (in.size() > 2) {
            const auto bias = in[2]->constant->integers[channel];
            one = sum(one, {bias, bias});
        }
        all = all ? join(*all, one) : one;
    }
    return {*all};
}

Bounds concat_bounds(Operands operands) {
    Bounds bounds{*operands[0]->range, is_bipolar(*operands[0])};
    for (const auto* operand : operands) {
        bounds.range = join(bounds.range, *operand->range);
        bounds.bipolar = bounds.bipolar && is_bipolar(*operand);
    }
    return bounds;
}

std::optional<Bounds> threshold_bounds(const MultiThresholdAttributes& attributes, const Tensor& thresholds) {
    if (!is_whole(attributes.scale) || !is_whole(attributes.bias)) return std::nullopt;
    const auto steps = thresholds.shape[1];
    const auto bias = static_cast<std::int64_t>(attributes.bias),
               scale = static_cast<std::int64_t>(attributes.scale);
    const auto last = sum({bias, bias}, repeated({scale, scale}, steps)).min;
    return Bounds{{std::min(bias, last), std::max(bias, last)}, steps == 1 && bias * last == -1};
}

std::optional<Bounds> clip_bounds(const ClipAttributes& clip, Range x) {
    const auto whole = [](double bound) { return std::isinf(bound) || is_whole(bound); };
    if (!whole(clip.min) || !whole(clip.max) || clip.min == INFINITY || clip.max == -INFINITY)
        return std::nullopt;
    const auto at = [&](std::int64_t value) {
        return static_cast<std::int64_t>(std::min(std::max(static_cast<double>(value), clip.min), clip.max));
    };
    return Bounds{{at(x.min), at(x.max)}};
}

std::optional<Bounds> pad_bounds(const PadAttributes& pad, const Tensor& x) {
    if (pad.mode != PadAttributes::Mode::constant) return Bounds{*x.range, is_bipolar(x)};
    if (!is_whole(pad.value)) return std::nullopt;
    const auto value = static_cast<std::int64_t>(pad.value);
    return Bounds{join(*x.range, {value, value})};
}

// Operators whose result has an integer type exactly if their operands have one.
std::optional<Bounds> bounds_of_integers(Op op, const Attributes& attributes, Operands in,
                                         const Shape& output) {
    const Range x = *in[0]->range;
    switch (op) {
        case Op::add:
            return Bounds{sum(x, *in[1]->range)};
        case Op::sub:
            return Bounds{difference(x, *in[1]->range)};
        case Op::mul:
            return Bounds{product(x, *in[1]->range)};
        case Op::div:
            return quotient_bounds(*in[0], *in[1]);
        case Op::function: {
            const auto own = std::get<FunctionAttributes>(attributes).row->integers;
            return own == nullptr ? std::nullopt : std::optional(Bounds{own(x)});
        }
        case Op::pairwise: {
            const auto own = std::get<PairwiseAttributes>(attributes).row->integers;
            const auto range = own == nullptr ? std::nullopt : own(x, *in[1]->range);
            return range ? std::optional(Bounds{*range}) : std::nullopt;
        }
        case Op::reduce: {
            const auto own = std::get<ReductionAttributes>(attributes).row->integers;
            const auto count = static_cast<std::int64_t>(in[0]->elements() / elements(output));
            const auto range = own == nullptr ? std::nullopt : own(x, count);
            return range ? std::optional(Bounds{*range}) : std::nullopt;
        }
        case Op::where:
            return Bounds{join(*in[1]->range, *in[2]->range)};
        case Op::relu:
            return Bounds{{std::max<std::int64_t>(x.min, 0), std::max<std::int64_t>(x.max, 0)}};
        case Op::clip:
            return clip_bounds(std::get<ClipAttributes>(attributes), x);
        case Op::conv:
            return conv_bounds(std::get<ConvAttributes>(attributes), in);
        case Op::matmul:
            return Bounds{product_range(*in[0], *in[1], in[0]->shape.back(), false)};
        case Op::gemm:
            return gemm_bounds(std::get<GemmAttributes>(attributes), in);
        case Op::concat:
            return concat_bounds(in);
        case Op::reduce_sum:
            return Bounds{repeated(x, static_cast<std::int64_t>(in[0]->elements() / elements(output)))};
        case Op::pad:
            return pad_bounds(std::get<PadAttributes>(attributes), *in[0]);
        case Op::flatten:
        case Op::gather:
        case Op::identity:
        case Op::lookup:
        case Op::max_pool:
        case Op::reshape:
        case Op::slice:
        case Op::top_k_values:
        case Op::transpose:
            return Bounds{x, is_bipolar(*in[0])};
        default:
            return std::nullopt;
    }
}

}  // namespace

std::optional<Bounds> result_bounds(Op op, const Attributes& attributes, Operands operands,
                                    const Shape& output) {
    const auto& x = *operands[0];
    const auto indices = [&](int axis) { return Bounds{{0, x.shape[static_cast<std::size_t>(axis)] - 1}}; };
    switch (op) {
        case Op::multi_threshold:
            return threshold_bounds(std::get<MultiThresholdAttributes>(attributes), *operands[1]);
        case Op::quantize:
            return Bounds{std::get<QuantizeAttributes>(attributes).range,
                          std::get<QuantizeAttributes>(attributes).rounding == Rounding::to_sign};
        case Op::requantize:
            return Bounds{std::get<RequantizeAttributes>(attributes).range};
        case Op::arg_max:
            return indices(std::get<ArgMaxAttributes>(attributes).axis);
        case Op::top_k_indices:
            return indices(std::get<TopKAttributes>(attributes).axis);
        case Op::cast:
            if (const auto& range = std::get<CastAttributes>(attributes).range) return Bounds{*range};
            return all_integer(operands) ? std::optional(Bounds{*x.range, is_bipolar(x)}) : std::nullopt;
        case Op::function:
            if (std::get<FunctionAttributes>(attributes).row->truth) return Bounds{{0, 1}};
            return all_integer(operands) ? bounds_of_integers(op, attributes, operands, output) : std::nullopt;
        case Op::pairwise:
            if (std::get<PairwiseAttributes>(attributes).row->truth) return Bounds{{0, 1}};
            return all_integer(operands) ? bounds_of_integers(op, attributes, operands, output) : std::nullopt;
        case Op::where:
            return all_integer(operands.subspan(1)) ? bounds_of_integers(op, attributes, operands, output)
                                                    : std::nullopt;
        default:
            return all_integer(operands) ? bounds_of_integers(op, attributes, operands, output)
                                         : std::nullopt;
    }
}

}  // namespace fard::model
