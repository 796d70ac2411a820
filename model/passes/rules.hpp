// What is done with one node whose operands stand for fractions but are known as integers: the node is
// replaced by one on the integers, and a dequantize behind it, which the next rule takes up. A chain of such
// nodes ends at a quantizer, where integers are made of integers.
//
// Equal means: in exact arithmetic, the same; the result of the integer form is what graph.hpp says of its
// operators.
#pragma once

#include "model/draft.hpp"

namespace fard::model {

// Conv, Gemm and MatMul of integers with one scale by integers with one scale for each output channel: the
// integer operator; its result has the product of the scales. A bias of integers of that scale goes along,
// any other is added behind.
bool linear_on_integers(Rewriter& graph, const Node& node);

// Operators that move elements, and MaxPool (scales are above 0, so the order of the elements stays).
bool move_integers(Rewriter& graph, const Node& node);

// Sums and means over dimensions and windows, products of two tensors, sums of two of the same scale.
bool sum_integers(Rewriter& graph, const Node& node);

// Quantize and MultiThreshold behind functions of integers: a requantize or a multi_threshold in place of all
// of them. Where elements are moved or pooled before they are quantized, they are quantized before.
bool end_in_integers(Rewriter& graph, const Node& node);

}  // namespace fard::model
