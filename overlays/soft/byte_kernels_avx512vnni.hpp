// ByteKernels for AVX-512 with VNNI (x86-64).
#pragma once

#include "overlays/soft/byte_kernels.hpp"

namespace fard::soft::avx512vnni {

bool runs_here();
void gemm(const GemmBytes& job);
void pack_triples(const PackTriples& job);
void gemm_triples(const GemmTriples& job);
void depthwise3(const Depthwise3& job);
void max_row(const MaxRow& job);
void pixel_sums(const PixelSums& job);

}  // namespace fard::soft::avx512vnni
