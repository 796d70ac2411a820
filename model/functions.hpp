// Functions of one number: what the operators that compute each element by itself do, and rounding.
#pragma once

#include "model/graph.hpp"

namespace fard::model {

// Whether `op` has one operand and computes each element by itself: Relu, Clip, Sigmoid, ...
bool is_function(Op op);

// The function of such a node, in double.
double apply_function(const Node& node, double x);

// A whole number. Infinities stay as they are; NaN gives NaN.
double rounded(Rounding rounding, double x);

// One element by QuantizeAttributes, with the entries of its channel: in double, and in float32.
std::int32_t quantized(const QuantizeAttributes& attributes, std::size_t channel, double x);
std::int32_t quantized_fraction(const QuantizeAttributes& attributes, std::size_t channel, float x);

// A whole number within a range. NaN gives the end that is nearer to 0, or 0.
std::int32_t clamped(double whole, const Range& range);

}  // namespace fard::model
