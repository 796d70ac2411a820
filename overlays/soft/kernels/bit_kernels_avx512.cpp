#include "overlays/soft/kernels/bit_kernels_avx512.hpp"

#include <immintrin.h>

#include "overlays/soft/kernels/affine_avx512.hpp"

#define FARD_BITS __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,fma")))

namespace fard::soft::avx512popcnt {
namespace {

using namespace avx512;

// With 32 channels a row, 24 of the 32 registers hold counts, in words of 64 bits.
constexpr std::size_t most_rows = 6;
constexpr std::size_t counts_of_sums = 2;  // vectors of counts for one of sums

template <std::size_t Rows, std::size_t Vectors>
FARD_BITS inline __attribute__((always_inline)) void add_words(const GemmBits& job,
                                                               const std::uint64_t* const* rows,
                                                               std::size_t plane,
                                                               __m512i (&counts)[Rows][Vectors]) {
    const std::uint64_t* weights = job.panel;
    for (std::size_t i = 0; i < job.weight_planes; ++i) {
        const std::uint64_t* from[Rows];
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r)
            from[r] = rows[r] + plane * job.plane_stride;
        for (std::size_t run = 0; run < job.runs; ++run) {
            for (std::size_t word = 0; word < job.run_words; ++word, weights += Vectors * 8) {
                __m512i w[Vectors];
                FARD_UNROLL
                for (std::size_t v = 0; v < Vectors; ++v)
                    w[v] = _mm512_loadu_si512(weights + v * 8);
                FARD_UNROLL
                for (std::size_t r = 0; r < Rows; ++r) {
                    const __m512i x = _mm512_set1_epi64(static_cast<long long>(from[r][word]));
                    FARD_UNROLL
                    for (std::size_t v = 0; v < Vectors; ++v)
                        counts[r][v] =
                            _mm512_add_epi64(counts[r][v], _mm512_popcnt_epi64(_mm512_xor_si512(x, w[v])));
                }
            }
            FARD_UNROLL
            for (std::size_t r = 0; r < Rows; ++r)
                from[r] += job.run_stride;
        }
    }
}

// The sums of a tile, to memory: what becomes of them takes many registers (see byte_kernels_avx512vnni.cpp).
template <std::size_t Rows, std::size_t Vectors>
FARD_BITS __attribute__((noinline)) void multiply_to(const GemmBits& job, const std::uint64_t* const* rows,
                                                     __m512i* to) {
    __m512i counts[Rows][Vectors];
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        FARD_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v)
        counts[r][v] = _mm512_setzero_si512();
    for (std::size_t plane = job.planes; plane-- > 0;) {
        add_words(job, rows, plane, counts);
        if (plane == 0) break;
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r)
            FARD_UNROLL
        for (std::size_t v = 0; v < Vectors; ++v)
            counts[r][v] = _mm512_add_epi64(counts[r][v], counts[r][v]);
    }
    const __m512i lower_halves = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m128i doubled = _mm_cvtsi32_si128(job.shift > 0 ? job.shift : 0),
                  halved = _mm_cvtsi32_si128(job.shift < 0 ? -job.shift : 0);
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        FARD_UNROLL
    for (std::size_t v = 0; v < Vectors / counts_of_sums; ++v) {
        const __m512i count = _mm512_permutex2var_epi32(counts[r][v * 2], lower_halves, counts[r][v * 2 + 1]);
        const __m512i sum = _mm512_sub_epi32(_mm512_loadu_si512(job.totals + v * vector_width), count);
        _mm512_store_si512(to + r * (Vectors / counts_of_sums) + v,
                           _mm512_sra_epi32(_mm512_sll_epi32(sum, doubled), halved));
    }
}

template <std::size_t Rows, std::size_t Vectors>
FARD_BITS __attribute__((noinline)) void store_exactly(const Target& target,
                                                       const __m512i (&sums)[Rows][Vectors],
                                                       unsigned unsure) {
    for (; unsure != 0; unsure &= unsure - 1) {
        const auto row = static_cast<std::size_t>(__builtin_ctz(unsure));
        __m512i codes[4] = {};
        FARD_UNROLL
        for (std::size_t v = 0; v < Vectors; ++v)
            codes[v] = round_exactly(sums[row][v], target.affine, v * vector_width);
        store_row(target, row, pack_bytes(codes[0], codes[1], codes[2], codes[3], target.affine));
    }
}

// `first` is the number of the tile's first row.
template <std::size_t Rows, std::size_t Vectors>
FARD_BITS void tile(const GemmBits& job, std::size_t first) {
    constexpr std::size_t sum_vectors = Vectors / counts_of_sums;
    __m512i sums[Rows][sum_vectors];
    multiply_to<Rows, Vectors>(job, job.rows + first, sums[0]);
    if (job.sums) {
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r)
            FARD_UNROLL
        for (std::size_t v = 0; v < sum_vectors; ++v)
            _mm512_storeu_si512(job.sums + (v * job.row_count + first + r) * vector_width, sums[r][v]);
        return;
    }
    const Target target{job.affine, job.lanes, job.out + first * job.out_stride, job.out_stride, Rows};
    if (job.affine.fixed_factors) {
        if (const auto unsure = store_fixed(target, sums); unsure != 0) store_exactly(target, sums, unsure);
    } else if (job.affine.exact_factors) {
        store_exactly(target, sums, (1U << Rows) - 1);
    } else {
        store_bytes<false>(target, sums);
    }
}

using Tile = void (*)(const GemmBits&, std::size_t);
template <std::size_t Vectors>
constexpr Tile tiles_of[most_rows] = {tile<1, Vectors>, tile<2, Vectors>, tile<3, Vectors>,
                                      tile<4, Vectors>, tile<5, Vectors>, tile<6, Vectors>};

}  // namespace

bool runs_here() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("fma");
}

FARD_BITS void pack_bits(const PackBits& job) {
    const std::size_t words = (job.channels + 63) / 64;
    const __mmask64 last = ~std::uint64_t{0} >> (words * 64 - job.channels);
    const std::uint8_t* from = job.image;
    std::uint64_t* to = job.out;
    for (std::size_t pixel = 0; pixel < job.pixels; ++pixel, from += job.channels)
        for (std::size_t word = 0; word < words; ++word, ++to) {
            const __m512i bytes =
                _mm512_maskz_loadu_epi8(word + 1 == words ? last : ~std::uint64_t{0}, from + word * 64);
            for (std::size_t plane = 0; plane < job.planes; ++plane)
                to[plane * job.plane_stride] = _mm512_test_epi8_mask(
                    bytes, _mm512_set1_epi8(static_cast<char>(1 << (job.first_bit + plane))));
        }
}

// Tiles of nearly the same height, as for bytes.
void gemm_bits(const GemmBits& job) {
    const auto* heights = bit_lanes(job.lanes) == bit_panel_width ? tiles_of<4> : tiles_of<2>;
    const std::size_t count = (job.row_count + most_rows - 1) / most_rows;
    for (std::size_t i = 0, first = 0; i < count; ++i) {
        const std::size_t rows = job.row_count / count + (i < job.row_count % count ? 1 : 0);
        heights[rows - 1](job, first);
        first += rows;
    }
}

}  // namespace fard::soft::avx512popcnt
