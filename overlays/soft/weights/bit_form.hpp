// Whether a linear layer can be computed by BitKernels, and what that would cost.
#pragma once

#include <optional>
#include <string>

#include "overlays/soft/kernels/kernels.hpp"
#include "overlays/soft/steps/linear_step.hpp"

namespace fard::soft {

struct BitForm {
    std::size_t first_bit = 0, planes = 1;  // of the codes: those between have no other bits
    std::size_t weight_planes = 1;          // 2: -1, 0 and 1
    int shift = 0;                          // GemmBits
    double cost = 0;                        // the time of ByteKernels::gemm on the same layer is 1
    std::string name() const;               // "1 x 2 bits": of weights and codes
};

// Nothing where codes or weights have more bits, the kernels have no BitKernels, or padding is not a code of such bits.
//
// The cost: a word of 64 bits of each plane of codes with each plane of weights takes 64 / rate of what a product of bytes
// does (BitKernels::rate), and packing a word as long as 128 of these, once for all channels. Words are counted whole.
std::optional<BitForm> bit_form(const Kernels& kernels, const LinearLayer& layer);

}  // namespace fard::soft
