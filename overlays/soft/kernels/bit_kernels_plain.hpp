#pragma once

#include "overlays/soft/kernels/bit_kernels.hpp"

namespace fard::soft::plain {

void pack_bits(const PackBits& job);
void gemm_bits(const GemmBits& job);

}  // namespace fard::soft::plain
