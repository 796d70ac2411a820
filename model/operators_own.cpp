// The operators of the domain "fard" that stages of a streamlined network hold (model/onnx_emit.hpp writes
// them).
#include <algorithm>
#include <cmath>

#include "model/operators.hpp"

namespace fard::model {
namespace {

Result<std::vector<std::int32_t>> read_zero_points(AttributeReader& attributes, const char* name) {
    std::vector<std::int32_t> zeros;
    for (const auto each : attributes.integers(name, {})) {
        if (each != static_cast<std::int32_t>(each))
            return fail(Fault::invalid_input, "has a zero point of {}", each);
        zeros.push_back(static_cast<std::int32_t>(each));
    }
    return zeros;
}

// Whether lists with these numbers of entries fit a dimension of `shape`; axis -1: they have one entry.
bool fits(std::int64_t axis, const Shape& shape, std::initializer_list<std::size_t> counts) {
    if (axis < -1 || axis >= static_cast<std::int64_t>(shape.size())) return false;
    const auto channels = axis < 0 ? 1 : static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]);
    return std::ranges::all_of(counts, [&](auto count) { return count == 1 || count == channels; });
}

Result<Affine> read_affine(AttributeReader& attributes, const Shape& shape) {
    Affine affine{attributes.numbers("scale"), {}, -1};
    auto zeros = read_zero_points(attributes, "zero_point");
    if (!zeros) return fail(zeros.error());
    const auto axis = attributes.integer("axis", -1);
    affine.zero_point = *std::move(zeros);
    const bool above =
        std::ranges::all_of(affine.scale, [](double each) { return std::isfinite(each) && each > 0; });
    if (!above || affine.scale.size() != affine.zero_point.size() ||
        !fits(axis, shape, {affine.scale.size()}))
        return fail(Fault::invalid_input, "has scales and zero points that do not fit");
    affine.axis = affine.scale.size() == 1 ? -1 : static_cast<int>(axis);
    return affine;
}

Result<Range> read_range(AttributeReader& attributes) {
    const auto bounds = attributes.integers("range", {});
    if (bounds.size() != 2 || bounds[0] > bounds[1] || !fits_32_bits({bounds[0], bounds[1]}))
        return fail(Fault::invalid_input, "attribute 'range' is not two integers of 32 bits");
    return Range{bounds[0], bounds[1]};
}

Result<std::string> read_element(AttributeReader& attributes) {
    const auto to = attributes.integer("to", 1);
    const auto name = declared_name(to);
    if (name.empty()) return fail(Fault::unsupported, "makes ONNX element type {}", to);
    return std::string(name);
}

OperatorResult like(const Tensor& x, Attributes attributes, std::string declared) {
    return {std::move(attributes), {0}, x.shape, x.layout, std::move(declared)};
}

Result<> require_integers(const OperatorInput& in) {
    for (const auto* operand : in.operands)
        if (operand == nullptr || !operand->type.is_integer() || operand->shape != in[0].shape)
            return fail(Fault::invalid_input, "needs integers, all of one shape");
    return {};
}

}  // namespace

Result<OperatorResult> read_quantize(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const auto affine = read_affine(attributes, in[0].shape);
    const auto range = read_range(attributes);
    const auto declared = read_element(attributes);
    const auto rounding = attributes.integer("rounding", 0);
    const bool add_then_round = attributes.integer("add_then_round", 0) != 0;
    if (auto done = attributes.done(); !done) return fail(done.error());
    if (!affine) return fail(affine.error());
    if (!range) return fail(range.error());
    if (!declared) return fail(declared.error());
    if (rounding < 0 || rounding > static_cast<std::int64_t>(Rounding::to_sign))
        return fail(Fault::invalid_input, "attribute 'rounding' is {}", rounding);
    const auto read = static_cast<Rounding>(rounding);
    if (read == Rounding::to_sign && *range != Range{-1, 1})
        return fail(Fault::invalid_input, "attribute 'range' is not that of signs");
    auto result = like(in[0], QuantizeAttributes{*affine, read, add_then_round, *range}, *declared);
    if (read == Rounding::to_sign) result.type = DataType::bipolar();
    return result;
}

Result<OperatorResult> read_dequantize(const OperatorInput& in) {
    if (auto done = require_integers(in); !done) return fail(done.error());
    AttributeReader attributes(in.node);
    const auto affine = read_affine(attributes, in[0].shape);
    if (auto done = attributes.done(); !done) return fail(done.error());
    if (!affine) return fail(affine.error());
    return like(in[0], DequantizeAttributes{*affine}, "FLOAT32");
}

Result<OperatorResult> read_requantize(const OperatorInput& in) {
    if (auto done = require_integers(in); !done) return fail(done.error());
    AttributeReader attributes(in.node);
    const auto multipliers = attributes.numbers("multipliers");
    const auto counts = attributes.integers("counts", {});
    const auto zeros = read_zero_points(attributes, "zero_points");
    const auto range = read_range(attributes);
    const auto declared = read_element(attributes);
    const auto axis = attributes.integer("axis", -1), zero_point = attributes.integer("zero_point", 0);
    RequantizeAttributes read;
    read.offset = attributes.numbers("offset");
    if (auto done = attributes.done(); !done) return fail(done.error());
    if (!zeros) return fail(zeros.error());
    if (!range) return fail(range.error());
    if (!declared) return fail(declared.error());
    const bool finite = std::ranges::all_of(multipliers, [](double each) { return std::isfinite(each); }) &&
                        std::ranges::all_of(read.offset, [](double each) { return std::isfinite(each); });
    if (counts.size() != in.operands.size() || zeros->size() != counts.size() || !finite ||
        zero_point != static_cast<std::int32_t>(zero_point) ||
        (!read.offset.empty() && !fits(axis, in[0].shape, {read.offset.size()})))
        return fail(Fault::invalid_input, "has multipliers that do not fit its operands");
    auto next = multipliers.begin();
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] < 1 || counts[i] > multipliers.end() - next ||
            !fits(axis, in[0].shape, {static_cast<std::size_t>(counts[i])}))
            return fail(Fault::invalid_input, "has multipliers that do not fit its operands");
        read.operands.push_back({{next, next + counts[i]}, (*zeros)[i]});
        next += counts[i];
    }
    read.zero_point = static_cast<std::int32_t>(zero_point);
    read.range = *range;
    read.axis = static_cast<int>(axis);
    auto result = like(in[0], std::move(read), *declared);
    result.kept.clear();
    for (std::size_t i = 0; i < in.operands.size(); ++i)
        result.kept.push_back(i);
    return result;
}

}  // namespace fard::model
