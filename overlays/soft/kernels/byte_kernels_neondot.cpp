// Matrix products for 64-bit ARM processors that multiply four bytes by four and add them up (SDOT: Cortex-A55, A75 and
// later).
#include <sys/auxv.h>

#include "overlays/soft/kernels/kernels_neondot.hpp"
#include "overlays/soft/kernels/neon.hpp"

#define FARD_GEMM __attribute__((target("arch=armv8.2-a+dotprod")))
#include "overlays/soft/kernels/neon_gemm.hpp"

namespace fard::soft::neondot {
namespace {

using neon::quads;

// Both operands are signed: a byte of the row has its top bit turned, which makes it 128 less.
struct SignedDot {
    static constexpr std::size_t most_rows = 4;  // 16 of the 32 registers hold sums
    static constexpr bool takes_signed = true;

    template <std::size_t Rows>
    FARD_GEMM inline __attribute__((always_inline)) static void group(const std::uint8_t* const (&from)[Rows],
                                                                      const std::int8_t* weights,
                                                                      int32x4_t (&sums)[Rows][quads]) {
        int8x16_t w[quads];
        FARD_UNROLL
        for (std::size_t i = 0; i < quads; ++i)
            w[i] = vld1q_s8(weights + i * 16);
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r) {
            std::uint32_t bytes;
            std::memcpy(&bytes, from[r], sizeof bytes);
            const int8x16_t x = vreinterpretq_s8_u32(vdupq_n_u32(bytes ^ 0x80808080U));
            FARD_UNROLL
            for (std::size_t i = 0; i < quads; ++i)
                sums[r][i] = vdotq_s32(sums[r][i], w[i], x);
        }
    }
};

}  // namespace

bool runs_here() {
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}

void gemm(const GemmBytes& job) {
    neon::gemm_with<SignedDot>(job);
}

void gemm_triples(const GemmTriples& job) {
    neon::gemm_triples_with<SignedDot>(job);
}

}  // namespace fard::soft::neondot
