// Kernels for x86-64 processors with AVX2 and FMA (Haswell and later, Zen and later).
#pragma once

#include "overlays/soft/kernels/kernels.hpp"

namespace fard::soft::avx2 {

bool runs_here();
void gemm_u8(const GemmU8& job);
void gemm_i16(const GemmI16& job);
void count32(const Count32& job);
void count16(const Count16& job);
void depthwise16(const Depthwise16& job);
void depthwise32(const Depthwise32& job);

}  // namespace fard::soft::avx2
