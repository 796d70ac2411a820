// Between fractions and integers: ONNX's QuantizeLinear and DequantizeLinear, and the two halves of QONNX's
// Quant.
#include <algorithm>
#include <cmath>

#include "model/operators.hpp"

namespace fard::model {
namespace {

// The dimension of `x` that a constant varies along when it is broadcast to it; -1 for one number.
Result<int> axis_of(const Tensor& constant, const Shape& x) {
    if (constant.elements() == 1) return -1;
    const auto rank = constant.shape.size();
    for (std::size_t i = 0; i < rank && rank <= x.size(); ++i) {
        const auto at = i + x.size() - rank;
        if (constant.shape[i] == 1) continue;
        if (static_cast<std::size_t>(constant.shape[i]) == constant.elements() && constant.shape[i] == x[at])
            return static_cast<int>(at);
        break;
    }
    return fail(Fault::unsupported,
                "has a '{}' of {} for {}; fard takes one number, or one for each index of a dimension",
                constant.name, shown(constant.shape), shown(x));
}

Result<std::vector<double>> read_scales(const Tensor& scale) {
    if (!scale.is_constant())
        return fail(Fault::unsupported, "has a scale '{}' that is not a constant", scale.name);
    auto scales = numbers_of(scale);
    for (const auto each : scales)
        if (!std::isfinite(each) || each <= 0)
            return fail(Fault::invalid_input, "has a scale of {} ('{}'); scales are above 0", each,
                        scale.name);
    return scales;
}

Result<std::vector<std::int32_t>> read_zero_points(const Tensor& zero) {
    if (!zero.is_constant())
        return fail(Fault::unsupported, "has a zero point '{}' that is not a constant", zero.name);
    if (!zero.type.is_integer())
        return fail(Fault::unsupported, "has a zero point '{}' that is not a whole number", zero.name);
    return zero.constant->integers;
}

// `axis`: of ONNX's one-dimensional lists; none: from the shapes, as qonnx broadcasts them.
Result<Affine> read_affine(const OperatorInput& in, std::optional<std::int64_t> axis) {
    const auto& x = in[0];
    const auto& scale = in[1];
    auto scales = read_scales(scale);
    if (!scales) return fail(scales.error());
    std::vector<std::int32_t> zeros(1, 0);
    if (in.has(2)) {
        auto read = read_zero_points(in[2]);
        if (!read) return fail(read.error());
        zeros = *std::move(read);
    }
    Affine affine{*std::move(scales), std::move(zeros), -1};
    const auto channels = std::max(affine.scale.size(), affine.zero_point.size());
    for (const std::size_t i : {std::size_t{1}, std::size_t{2}})
        if (axis && in.has(i) && in[i].elements() > 1 && in[i].shape.size() != 1)
            return fail(
                Fault::unsupported,
                "has a '{}' of {}; fard takes one number, or a list with one for each index of a dimension",
                in[i].name, shown(in[i].shape));
    if (channels > 1) {
        const auto& longer = affine.scale.size() == channels ? scale : in[2];
        const auto along =
            axis ? checked_axis(*axis, x.shape.size(), x.shape.size()) : axis_of(longer, x.shape);
        if (!along) return fail(along.error());
        affine.axis = *along;
        const auto fits = [&](std::size_t count) {
            return count == 1 || count == static_cast<std::size_t>(x.shape[static_cast<std::size_t>(*along)]);
        };
        if (!fits(affine.scale.size()) || !fits(affine.zero_point.size()))
            return fail(Fault::invalid_input, "has {} scales and {} zero points for {} along dimension {}",
                        affine.scale.size(), affine.zero_point.size(), shown(x.shape), *along);
        affine.scale.resize(channels, affine.scale[0]);
        affine.zero_point.resize(channels, affine.zero_point[0]);
    }
    return affine;
}

// Since opset 21: a scale for each block of elements.
Result<> require_no_blocks(AttributeReader& attributes) {
    if (const auto block = attributes.integer("block_size", 0); block != 0)
        return fail(Fault::unsupported,
                    "has block_size {}; fard takes one scale, or one for each index of a dimension", block);
    return {};
}

bool is_unit(const Affine& affine) {
    return std::ranges::all_of(affine.scale, [](double scale) { return scale == 1; }) &&
           std::ranges::all_of(affine.zero_point, [](std::int32_t zero) { return zero == 0; });
}

OperatorResult like(const Tensor& x, Attributes attributes, std::string declared) {
    return {std::move(attributes), {0}, x.shape, x.layout, std::move(declared)};
}

Result<OperatorResult> dequantized(const OperatorInput& in, const Affine& affine) {
    if (!in[0].type.is_integer())
        return fail(Fault::invalid_input, "reads '{}', which does not hold integers", in[0].name);
    auto result = like(in[0], DequantizeAttributes{affine}, "FLOAT32");
    if (is_unit(affine)) result.attributes = {}, result.op = Op::identity;  // they stand for themselves
    return result;
}

Result<Rounding> read_rounding(const std::string& mode) {
    constexpr std::pair<const char*, Rounding> modes[] = {
        {"ROUND", Rounding::half_even},
        {"CEIL", Rounding::ceil},
        {"FLOOR", Rounding::floor},
        {"UP", Rounding::away_from_zero},
        {"DOWN", Rounding::to_zero},
        {"ROUND_TO_ZERO", Rounding::to_zero},
        {"HALF_EVEN", Rounding::half_even},
        {"HALF_UP", Rounding::half_away_from_zero},
        {"HALF_DOWN", Rounding::half_to_zero},
    };
    std::string upper = mode;
    std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return std::toupper(c); });
    for (const auto& [name, rounding] : modes)
        if (upper == name) return rounding;
    return fail(Fault::unsupported, "has rounding_mode '{}'", mode);
}

// The integers that QONNX's Quant clamps to.
Range quant_range(int bits, bool is_signed, bool narrow) {
    const auto all = std::int64_t{1} << bits;
    if (is_signed) return {-all / 2 + (narrow ? 1 : 0), all / 2 - 1};
    return {0, all - 1 - (narrow ? 1 : 0)};
}

}  // namespace

Result<OperatorResult> read_quantize_linear(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const auto axis = attributes.integer("axis", 1), output = attributes.integer("output_dtype", 0);
    const auto blocks = require_no_blocks(attributes);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto affine = read_affine(in, axis);
    if (!affine) return fail(affine.error());
    if (!blocks) return fail(blocks.error());
    std::string declared = in.has(2) ? in[2].declared : "UINT8";
    if (output != 0 && in.has(2) && element_name(output) != declared)
        return fail(Fault::invalid_input, "has output_dtype {} and a zero point of {}", element_name(output),
                    declared);
    if (output != 0) declared = element_name(output);
    const auto type = DataType::parse(declared);
    if (!type || !type->is_integer() || type->bits() > 16)
        return fail(Fault::unsupported, "quantizes to {}", declared);
    return like(in[0], QuantizeAttributes{*affine, Rounding::half_even, false, {type->min(), type->max()}},
                declared);
}

Result<OperatorResult> read_dequantize_linear(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const auto axis = attributes.integer("axis", 1), output = attributes.integer("output_dtype", 0);
    const auto blocks = require_no_blocks(attributes);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto affine = read_affine(in, axis);
    if (!blocks) return fail(blocks.error());
    if (output != 0 && output != 1)
        return fail(Fault::unsupported, "has output_dtype {}; fard makes FLOAT32", element_name(output));
    if (!affine) return fail(affine.error());
    return dequantized(in, *affine);
}

Result<OperatorResult> read_quant_codes(const OperatorInput& in) {
    const auto affine = read_affine(in, std::nullopt);
    if (!affine) return fail(affine.error());
    const auto bits = in.constant_number(3);
    if (!bits)
        return fail(Fault::unsupported, "has a bit width '{}' that is not one constant number", in[3].name);
    AttributeReader attributes(in.node);
    const bool is_signed = attributes.integer("signed", 1) != 0,
               narrow = attributes.integer("narrow", 0) != 0;
    const auto mode = attributes.text("rounding_mode", "ROUND");
    if (auto done = attributes.done(); !done) return fail(done.error());
    const int most = is_signed ? 32 : 31;
    if (*bits != std::rint(*bits) || *bits < 1 || *bits > most)
        return fail(Fault::unsupported, "has a bit width of {}; fard knows whole ones from 1 to {}", *bits,
                    most);
    const auto rounding = read_rounding(mode);
    if (!rounding) return fail(rounding.error());
    const bool signs =
        is_signed && *bits == 1;  // qonnx makes -1 and +1 of them, whatever the other attributes say
    const auto range = signs ? Range{-1, 1} : quant_range(static_cast<int>(*bits), is_signed, narrow);
    auto result = like(in[0], QuantizeAttributes{*affine, signs ? Rounding::to_sign : *rounding, true, range},
                       "FLOAT32");
    if (signs) result.type = DataType::bipolar();
    return result;
}

// -1 or +1, by one threshold.
Result<OperatorResult> read_bipolar_codes(const OperatorInput& in) {
    auto result = like(in[0], MultiThresholdAttributes{2, -1, 0}, "FLOAT32");
    result.kept = {0, 1};
    result.type = DataType::bipolar();
    return result;
}

Result<OperatorResult> read_dequant_codes(const OperatorInput& in) {
    const auto affine = read_affine(in, std::nullopt);
    if (!affine) return fail(affine.error());
    return dequantized(in, *affine);
}

}  // namespace fard::model
