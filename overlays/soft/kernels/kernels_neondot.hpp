// Matrix products over bytes for 64-bit ARM processors with dot products; the other kernels are NEON's.
#pragma once

#include "overlays/soft/kernels/byte_kernels.hpp"

namespace fard::soft {

// Signed by signed (FEAT_DotProd).
namespace neondot {
bool runs_here();
void gemm(const GemmBytes& job);
void gemm_triples(const GemmTriples& job);
}  // namespace neondot

// Unsigned by signed (FEAT_I8MM).
namespace neoni8mm {
bool runs_here();
void gemm(const GemmBytes& job);
void gemm_triples(const GemmTriples& job);
}  // namespace neoni8mm

}  // namespace fard::soft
