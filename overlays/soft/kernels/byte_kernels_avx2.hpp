// ByteKernels for x86-64 processors with AVX2 and FMA, which have no products of u8 by s8 that add up to 32 bits.
#pragma once

#include "overlays/soft/kernels/kernels.hpp"

namespace fard::soft::avx2 {

void gemm(const GemmBytes& job);
void pack_triples(const PackTriples& job);
void gemm_triples(const GemmTriples& job);
void depthwise3(const Depthwise3& job);
void add_rows(const AddRows& job);
void finish16(const Finish16& job);

}  // namespace fard::soft::avx2
