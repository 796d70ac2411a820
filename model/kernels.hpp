// The arithmetic of the reference interpreter, once for integers (summed in 64 bits) and once for fractions
// (in double).
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "model/reference.hpp"

namespace fard::model {

template <typename Element>
using SumOf = std::conditional_t<std::is_integral_v<Element>, std::int64_t, double>;

template <typename Element>
using Operands = std::vector<std::span<const Element>>;  // row-major, in the operand's shape

// The elements of view.output, row-major. For every operator but MultiThreshold and those that only move
// elements. AveragePool, Softmax and the like are for fractions alone; they yield nothing for integers.
std::vector<std::int64_t> compute(const NodeView& view, const Operands<std::int32_t>& operands);
std::vector<double> compute(const NodeView& view, const Operands<double>& operands);

// Between integers and fractions; x has the output's shape.
std::vector<std::int32_t> quantize(const NodeView& view, std::span<const std::int32_t> x);
std::vector<std::int32_t> quantize(const NodeView& view, std::span<const float> x);
std::vector<double> dequantize(const NodeView& view, std::span<const std::int32_t> x);
std::vector<std::int32_t> requantize(const NodeView& view, const Operands<std::int32_t>& operands);

// ArgMax and the indices of TopK.
template <typename Element>
std::vector<std::int64_t> find_indices(const NodeView& view, std::span<const Element> x);
// Gather, Pad, Slice and the values of TopK.
template <typename Element>
std::vector<Element> select_elements(const NodeView& view, std::span<const Element> x);

// Operators that move elements: MaxPool, Concat, Transpose, Gather, ..., and those that keep their order.
std::vector<std::int32_t> move_elements(const NodeView& view, const Operands<std::int32_t>& operands);
std::vector<float> move_elements(const NodeView& view, const Operands<float>& operands);
bool moves_elements(Op op);

}  // namespace fard::model
