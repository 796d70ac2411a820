// ByteKernels in plain C++.
#pragma once

#include "overlays/soft/kernels/byte_kernels.hpp"

namespace fard::soft::plain {

void gemm(const GemmBytes& job);
void pack_triples(const PackTriples& job);
void gemm_triples(const GemmTriples& job);
void depthwise3(const Depthwise3& job);
void add_rows(const AddRows& job);
void max_row(const MaxRow& job);
void pixel_sums(const PixelSums& job);

// One sum; `lane` as in Affine.
std::uint8_t finish(const Affine& affine, std::size_t lane, std::int32_t sum);

}  // namespace fard::soft::plain
