// Bounds of integer tensors: interval arithmetic that cannot overflow, and the types that hold an interval.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "model/graph.hpp"

namespace fard::model {

// An interval of integers; bounds beyond +-2^62 are kept as +-2^62. Operands' bounds lie within 32 bits.
struct Bounds {
    Range range;
    bool bipolar = false;  // every element is -1 or +1
};

Range sum(Range a, Range b);
Range difference(Range a, Range b);
Range product(Range a, Range b);
Range join(Range a, Range b);                    // the smallest that holds both
Range repeated(Range each, std::int64_t count);  // the sum of `count` elements
Range with_zero(Range range);
bool holds(Range outer, Range inner);

// What the negative and what the positive ones of up to 2^31 weights add up to.
struct SignedSums {
    std::int64_t negative = 0, positive = 0;
};
SignedSums signed_sums(std::span<const std::int32_t> weights);
// Of each column of a matrix, row by row.
std::vector<SignedSums> column_sums(std::span<const std::int32_t> weights, std::size_t columns);
// The sum of the products of these weights with elements within `x`.
Range weighted_sum(Range x, SignedSums weights);

Range range_of(std::span<const std::int32_t> values);  // of at least one value
Range range_of(DataType integer_type);
bool fits_32_bits(Range range);

// The narrowest type that holds `range`, which fits 32 bits: UINTn where nothing is negative, else INTn.
DataType narrowest(Range range);
// Whether a tensor with these bounds can be carried as `type`.
bool carries(DataType type, const Bounds& bounds);

}  // namespace fard::model
