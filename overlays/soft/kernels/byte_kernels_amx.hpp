// Matrix products over bytes for x86-64 processors with AMX-INT8 (Sapphire Rapids and later); the other kernels are AVX-512's.
#pragma once

#include "overlays/soft/kernels/byte_kernels.hpp"

namespace fard::soft::amx {

// Asks the kernel to let this process use tiles, once.
bool runs_here();
void gemm(const GemmBytes& job);
void gemm_triples(const GemmTriples& job);

}  // namespace fard::soft::amx
