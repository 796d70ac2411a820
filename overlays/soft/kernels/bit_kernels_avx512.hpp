// Needs AVX-512 with VPOPCNTDQ.
#pragma once

#include "overlays/soft/kernels/bit_kernels.hpp"

namespace fard::soft::avx512popcnt {

bool runs_here();
void pack_bits(const PackBits& job);
void gemm_bits(const GemmBits& job);

}  // namespace fard::soft::avx512popcnt
