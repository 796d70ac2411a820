// Matrix products of two tensors that are both computed, by GemmBytes.
#pragma once

#include "overlays/soft/steps/elementwise_steps.hpp"

namespace fard::soft {

// ONNX's MatMul of codes, both in the graph's order with at least two dimensions; the sums are stored. Nothing for other operands.
StepPtr make_product_step(const Kernels& kernels, const Source& a, const Source& b, BufferId out_buffer,
                          const Storage& out);

}  // namespace fard::soft
