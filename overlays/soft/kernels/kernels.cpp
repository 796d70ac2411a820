#include "overlays/soft/kernels/kernels.hpp"

#include "overlays/soft/kernels/bit_kernels_plain.hpp"
#include "overlays/soft/kernels/byte_kernels_plain.hpp"
#include "overlays/soft/kernels/elementwise.hpp"
#include "overlays/soft/kernels/float_kernels.hpp"
#include "overlays/soft/kernels/kernels_plain.hpp"
#if defined(__x86_64__)
#include "overlays/soft/kernels/bit_kernels_avx512.hpp"
#include "overlays/soft/kernels/byte_kernels_amx.hpp"
#include "overlays/soft/kernels/byte_kernels_avx2.hpp"
#include "overlays/soft/kernels/byte_kernels_avx512vnni.hpp"
#include "overlays/soft/kernels/kernels_avx2.hpp"
#elif defined(__aarch64__)
#include "overlays/soft/kernels/kernels_neon.hpp"
#include "overlays/soft/kernels/kernels_neondot.hpp"
#elif defined(__arm__)
#include "overlays/soft/kernels/kernels_neon.hpp"
#endif

namespace fard::soft {
namespace {

bool runs_everywhere() {
    return true;
}

constexpr ByteKernels plain_bytes{plain::gemm,       plain::pack_triples, plain::gemm_triples,
                                  plain::depthwise3, plain::add_rows,     true};
#if defined(__x86_64__)
constexpr ByteKernels amx_bytes{amx::gemm, avx512vnni::pack_triples, amx::gemm_triples,
                                avx512vnni::depthwise3, avx512vnni::add_rows};
constexpr ByteKernels vnni_bytes{avx512vnni::gemm,       avx512vnni::pack_triples, avx512vnni::gemm_triples,
                                 avx512vnni::depthwise3, avx512vnni::add_rows,     true};
constexpr ByteKernels avx2_bytes{avx2::gemm, avx2::pack_triples, avx2::gemm_triples, avx2::depthwise3,
                                 avx2::add_rows};
#elif defined(__aarch64__)
constexpr ByteKernels i8mm_bytes{neoni8mm::gemm, neon::pack_triples, neoni8mm::gemm_triples, neon::depthwise3,
                                 neon::add_rows};
constexpr ByteKernels dot_bytes{neondot::gemm, neon::pack_triples, neondot::gemm_triples, neon::depthwise3,
                                neon::add_rows};
constexpr ByteKernels neon_bytes{neon::gemm, neon::pack_triples, neon::gemm_triples, neon::depthwise3,
                                 neon::add_rows};
#elif defined(__arm__)
constexpr ByteKernels neon_bytes{neon::gemm, neon::pack_triples, neon::gemm_triples, neon::depthwise3,
                                 neon::add_rows};
#endif

#if defined(__aarch64__) || defined(__arm__)
constexpr Kernels neon_row(std::string_view name, bool (*runs_here)(), const ByteKernels& bytes) {
    return {name,
            runs_here,
            neon::gemm_u8,
            neon::gemm_i16,
            neon::count32,
            neon::count16,
            neon::finish16,
            neon::depthwise16,
            neon::depthwise32,
            neon::max_row,
            neon::pixel_sums,
            &bytes,
            &neon::elementwise,
            &neon::floats};
}
#endif

// Rates: what bench/engine measures as the peaks of one core. vpopcntq to vpdpbusd: 3087 to 580 (Zen 5), 1261 to 236 (Zen 4);
// 1000..1350 to 300..360 on Sapphire Rapids, where no layer of one by one or one by two bits would be decided otherwise, and
// to 2080..2500 of tdpbusd there.
#if defined(__x86_64__)
constexpr BitKernels popcnt_bits{avx512popcnt::runs_here, avx512popcnt::pack_bits, avx512popcnt::gemm_bits,
                                 5.3};
constexpr BitKernels beside_amx_bits{avx512popcnt::runs_here, avx512popcnt::pack_bits,
                                     avx512popcnt::gemm_bits, 0.5};
#endif
// Measured on CNV: 18.4 to 7.5 GMAC/s where the compiler may use SSE2 alone.
constexpr BitKernels plain_bits{runs_everywhere, plain::pack_bits, plain::gemm_bits, 2.4};

constexpr ElementwiseKernels plain_elementwise{plain::map_sums, plain::merge, plain::quantize};

constexpr Kernels table[] = {
#if defined(__x86_64__)
    {"amx", amx::runs_here, avx2::gemm_u8, avx2::gemm_i16, avx2::count32, avx2::count16, avx2::finish16,
     avx2::depthwise16, avx2::depthwise32, avx512vnni::max_row, avx512vnni::pixel_sums, &amx_bytes,
     &avx512::elementwise, &avx512::floats, &beside_amx_bits},
    {"avx512vnni", avx512vnni::runs_here, avx2::gemm_u8, avx2::gemm_i16, avx2::count32, avx2::count16,
     avx2::finish16, avx2::depthwise16, avx2::depthwise32, avx512vnni::max_row, avx512vnni::pixel_sums,
     &vnni_bytes, &avx512::elementwise, &avx512::floats, &popcnt_bits},
    {"avx2", avx2::runs_here, avx2::gemm_u8, avx2::gemm_i16, avx2::count32, avx2::count16, avx2::finish16,
     avx2::depthwise16, avx2::depthwise32, plain::max_row, plain::pixel_sums, &avx2_bytes, &avx2::elementwise,
     &avx2::floats},
#elif defined(__aarch64__)
    neon_row("neoni8mm", neoni8mm::runs_here, i8mm_bytes),
    neon_row("neondot", neondot::runs_here, dot_bytes),
    neon_row("neon", neon::runs_here, neon_bytes),
#elif defined(__arm__)
    neon_row("neon", neon::runs_here, neon_bytes),
#endif
    {"plain", runs_everywhere, plain::gemm_u8, plain::gemm_i16, plain::count32, plain::count16,
     plain::finish16, plain::depthwise16, plain::depthwise32, plain::max_row, plain::pixel_sums, &plain_bytes,
     &plain_elementwise, &plain::floats, &plain_bits},
};

}  // namespace

std::span<const Kernels> kernel_table() {
    return table;
}

const Kernels* select_kernels(std::string_view name) {
    for (const auto& row : table)
        if ((name.empty() || row.name == name) && row.runs_here()) return &row;
    return nullptr;
}

}  // namespace fard::soft
