// Linear layers on ByteKernels.
#pragma once

#include "overlays/soft/kernels/kernels.hpp"
#include "overlays/soft/steps/linear_step.hpp"
#include "overlays/soft/weights/bit_form.hpp"

namespace fard::soft {

// A convolution or matrix product of codes with 8-bit weights, or by BitKernels where that takes less; `kernels.bytes` is not nullptr. `sums`: the bounds of
// each channel's sums of codes. Nothing if weights or results are not of that kind.
StepPtr make_byte_matrix_step(const Kernels& kernels, const LinearLayer& layer,
                              std::span<const model::Range> sums);

// The same by BitKernels, where `form` is how the layer can; by make_byte_matrix_step, which knows what it would take itself.
// `why`: behind the kernel's name in Step::how.
StepPtr make_bit_matrix_step(const Kernels& kernels, const LinearLayer& layer,
                             std::span<const model::Range> sums, const BitForm& form, const std::string& why);

// A depthwise convolution as Depthwise3 can; nothing for any other layer.
StepPtr make_depthwise3_step(const ByteKernels& kernels, const LinearLayer& layer,
                             std::span<const model::Range> sums);

}  // namespace fard::soft
