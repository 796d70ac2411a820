// ByteKernels for AVX-512 with VNNI (x86-64).
#pragma once

#include "overlays/soft/byte_kernels.hpp"

namespace fard::soft::avx512vnni {

bool runs_here();
void gemm(const GemmBytes& job);
void depthwise3(const Depthwise3& job);

}  // namespace fard::soft::avx512vnni
