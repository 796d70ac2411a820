// Kernels for ARM processors with NEON, 32 and 64 bits (Cortex-A9 and A53 and later).
#pragma once

#include "overlays/soft/kernels/kernels.hpp"

namespace fard::soft::neon {

bool runs_here();

void gemm_u8(const GemmU8& job);
void gemm_i16(const GemmI16& job);
void count32(const Count32& job);
void count16(const Count16& job);
void finish16(const Finish16& job);
void depthwise16(const Depthwise16& job);
void depthwise32(const Depthwise32& job);
void max_row(const MaxRow& job);
void pixel_sums(const PixelSums& job);

void gemm(const GemmBytes& job);
void pack_triples(const PackTriples& job);
void gemm_triples(const GemmTriples& job);
void depthwise3(const Depthwise3& job);
void add_rows(const AddRows& job);

}  // namespace fard::soft::neon
