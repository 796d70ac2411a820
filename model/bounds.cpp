#include "model/bounds.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace fard::model {
namespace {

__extension__ typedef __int128 Wide;  // 2^26 products of two 32-bit numbers fit

constexpr std::int64_t far = std::int64_t{1} << 62;

std::int64_t narrow(Wide value) {
    return static_cast<std::int64_t>(
        std::clamp<Wide>(value, -static_cast<Wide>(far), static_cast<Wide>(far)));
}

}  // namespace

Range sum(Range a, Range b) {
    return {narrow(static_cast<Wide>(a.min) + b.min), narrow(static_cast<Wide>(a.max) + b.max)};
}

Range difference(Range a, Range b) {
    return {narrow(static_cast<Wide>(a.min) - b.max), narrow(static_cast<Wide>(a.max) - b.min)};
}

Range product(Range a, Range b) {
    const Wide corners[] = {static_cast<Wide>(a.min) * b.min, static_cast<Wide>(a.min) * b.max,
                            static_cast<Wide>(a.max) * b.min, static_cast<Wide>(a.max) * b.max};
    return {narrow(*std::min_element(std::begin(corners), std::end(corners))),
            narrow(*std::max_element(std::begin(corners), std::end(corners)))};
}

Range join(Range a, Range b) {
    return {std::min(a.min, b.min), std::max(a.max, b.max)};
}

Range repeated(Range each, std::int64_t count) {
    return {narrow(static_cast<Wide>(each.min) * count), narrow(static_cast<Wide>(each.max) * count)};
}

Range with_zero(Range range) {
    return join(range, {0, 0});
}

bool holds(Range outer, Range inner) {
    return outer.min <= inner.min && inner.max <= outer.max;
}

Range weighted_sum(Range x, const std::int32_t* weights, std::size_t count, std::size_t stride) {
    Wide min = 0, max = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const Wide weight = weights[i * stride];
        min += weight * (weight >= 0 ? x.min : x.max);
        max += weight * (weight >= 0 ? x.max : x.min);
    }
    return {narrow(min), narrow(max)};
}

Range range_of(std::span<const std::int32_t> values) {
    const auto [min, max] = std::minmax_element(values.begin(), values.end());
    return {*min, *max};
}

Range range_of(DataType integer_type) {
    return {integer_type.min(), integer_type.max()};
}

bool fits_32_bits(Range range) {
    using Limits = std::numeric_limits<std::int32_t>;
    return holds({Limits::min(), Limits::max()}, range);
}

DataType narrowest(Range range) {
    const auto bits = [](std::int64_t magnitude) {
        return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(magnitude)));
    };
    if (range.min >= 0) return DataType::uint(std::max(1, bits(range.max)));
    return DataType::sint(std::max(bits(-1 - range.min), bits(std::max<std::int64_t>(range.max, 0))) + 1);
}

bool carries(DataType type, const Bounds& bounds) {
    if (!type.is_integer()) return false;
    if (type.kind() == DataType::Kind::bipolar) return bounds.bipolar;
    return holds(range_of(type), bounds.range);
}

}  // namespace fard::model
