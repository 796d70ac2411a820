// ByteKernels for AVX-512 with VNNI (x86-64).
#pragma once

#include "overlays/soft/kernels/byte_kernels.hpp"

namespace fard::soft::avx512vnni {

bool runs_here();
void gemm(const GemmBytes& job);
void pack_triples(const PackTriples& job);
void gemm_triples(const GemmTriples& job);
// What becomes of sums that others made: of `count` rows from the `first` on, and of the packed rows of `count` triples; both
// [rows][16 * vectors_of(lanes)], at a multiple of 64 bytes.
void finish_rows(const GemmBytes& job, std::size_t first, std::size_t count, const std::int32_t* sums);
// Adds what GemmBytes::row_sums stand for to such sums: those of `row` and vector v are at `sums` + row * `stride` + v * `apart`.
void add_row_sums(const GemmBytes& job, std::size_t first, std::size_t count, std::int32_t* sums,
                  std::size_t stride, std::size_t apart);
void finish_triples(const GemmTriples& job, std::size_t first, std::size_t count, const std::int32_t* sums);
void depthwise3(const Depthwise3& job);
void add_rows(const AddRows& job);
void max_row(const MaxRow& job);
void pixel_sums(const PixelSums& job);

}  // namespace fard::soft::avx512vnni
