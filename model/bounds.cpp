#include "model/bounds.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace fard::model {
namespace {

constexpr std::int64_t far = std::int64_t{1} << 62;

std::int64_t narrow(std::int64_t value) {
    return std::clamp(value, -far, far);
}

// What leaves 64 bits is far away on the side that its sign says.
std::int64_t narrow_sum(std::int64_t a, std::int64_t b) {
    std::int64_t total;
    return __builtin_add_overflow(a, b, &total) ? (a < 0 ? -far : far) : narrow(total);
}
std::int64_t narrow_difference(std::int64_t a, std::int64_t b) {
    std::int64_t rest;
    return __builtin_sub_overflow(a, b, &rest) ? (a < 0 ? -far : far) : narrow(rest);
}
std::int64_t narrow_product(std::int64_t a, std::int64_t b) {
    std::int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? ((a < 0) != (b < 0) ? -far : far) : narrow(product);
}

// False if the sum leaves 64 bits.
bool add_product(std::int64_t& sum, std::int64_t a, std::int64_t b) {
    std::int64_t product;
    return !__builtin_mul_overflow(a, b, &product) && !__builtin_add_overflow(sum, product, &sum);
}

}  // namespace

Range sum(Range a, Range b) {
    return {narrow_sum(a.min, b.min), narrow_sum(a.max, b.max)};
}

Range difference(Range a, Range b) {
    return {narrow_difference(a.min, b.max), narrow_difference(a.max, b.min)};
}

Range product(Range a, Range b) {
    const auto [min, max] = std::minmax({narrow_product(a.min, b.min), narrow_product(a.min, b.max),
                                         narrow_product(a.max, b.min), narrow_product(a.max, b.max)});
    return {min, max};
}

Range join(Range a, Range b) {
    return {std::min(a.min, b.min), std::max(a.max, b.max)};
}

Range repeated(Range each, std::int64_t count) {
    return {narrow_product(each.min, count), narrow_product(each.max, count)};
}

Range with_zero(Range range) {
    return join(range, {0, 0});
}

bool holds(Range outer, Range inner) {
    return outer.min <= inner.min && inner.max <= outer.max;
}

namespace {

// Weights in blocks of a size that compilers know: of these they make vector code.
constexpr std::size_t block = 16;

std::int32_t positive_part(std::int32_t weight) {
    return weight & ~(weight >> 31);
}

}  // namespace

SignedSums signed_sums(std::span<const std::int32_t> weights) {
    constexpr std::int32_t narrow = 1 << 16;
    constexpr std::size_t many = 256 * block;  // narrow weights, of which so many in `block` sums fit 32 bits
    std::int64_t sum = 0, positive = 0;  // without branches
    for (std::size_t first = 0; first < weights.size();) {
        const auto part = weights.subspan(first, std::min(many, weights.size() - first));
        first += part.size();
        std::int32_t sums[block]{}, positives[block]{}, bits[block]{};
        std::size_t i = 0;
        for (; i + block <= part.size(); i += block)
            for (std::size_t k = 0; k < block; ++k) {
                const auto weight = part[i + k];
                bits[k] |= weight ^ (weight >> 31);
                sums[k] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[k]) + static_cast<std::uint32_t>(weight));
                positives[k] = static_cast<std::int32_t>(static_cast<std::uint32_t>(positives[k]) + static_cast<std::uint32_t>(positive_part(weight)));
            }
        if (std::ranges::any_of(bits, [](auto each) { return each >= narrow; })) i = 0;
        for (std::size_t k = 0; k < block && i > 0; ++k) {
            sum += sums[k];
            positive += positives[k];
        }
        for (; i < part.size(); ++i) {
            sum += part[i];
            positive += positive_part(part[i]);
        }
    }
    return {sum - positive, positive};
}

std::vector<SignedSums> column_sums(std::span<const std::int32_t> weights, std::size_t columns) {
    std::vector<std::int64_t> sums(columns), positives(columns);
    for (std::size_t first = 0; first < weights.size(); first += columns)
        for (std::size_t column = 0; column < columns; ++column) {
            sums[column] += weights[first + column];
            positives[column] += positive_part(weights[first + column]);
        }
    std::vector<SignedSums> all;
    for (std::size_t column = 0; column < columns; ++column)
        all.push_back({sums[column] - positives[column], positives[column]});
    return all;
}

Range weighted_sum(Range x, SignedSums weights) {
    std::int64_t min = 0, max = 0;
    const bool counted =
        add_product(min, weights.positive, x.min) && add_product(min, weights.negative, x.max) &&
        add_product(max, weights.positive, x.max) && add_product(max, weights.negative, x.min);
    if (!counted) return {-far, far};
    return {narrow(min), narrow(max)};
}

Range range_of(std::span<const std::int32_t> values) {
    std::int32_t min[block], max[block];
    std::ranges::fill(min, values[0]);
    std::ranges::fill(max, values[0]);
    std::size_t i = 0;
    for (; i + block <= values.size(); i += block)
        for (std::size_t k = 0; k < block; ++k) {
            min[k] = std::min(min[k], values[i + k]);
            max[k] = std::max(max[k], values[i + k]);
        }
    for (; i < values.size(); ++i) {
        min[0] = std::min(min[0], values[i]);
        max[0] = std::max(max[0], values[i]);
    }
    return {*std::ranges::min_element(min), *std::ranges::max_element(max)};
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
