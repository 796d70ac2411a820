// Affine on AVX-512, from vectors of sums to bytes: for kernels that are built with it (private to *_avx512*.cpp).
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "overlays/soft/kernels/byte_kernels.hpp"

#define FARD_AVX512_INLINE \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"), always_inline)) inline
// Arrays of vectors stay in registers only if their loops are unrolled early.
#define FARD_UNROLL _Pragma("GCC unroll 8")

namespace fard::soft::avx512 {

// Of two vectors of 16.16 numbers, the upper or lower halves, in each 128-bit part those of the first, then of the second: the
// order in which packing leaves them.
struct HalvesOrder {
    alignas(64) std::int16_t upper[32], lower[32];
    constexpr explicit HalvesOrder(int vector_halves) : upper(), lower() {
        for (int i = 0; i < vector_halves; ++i) {
            const int of_part = i % 8, number = i / 8 * 4 + of_part % 4;
            lower[i] = static_cast<std::int16_t>(of_part / 4 * vector_halves + number * 2);
            upper[i] = static_cast<std::int16_t>(lower[i] + 1);
        }
    }
};
inline constexpr HalvesOrder halves_of_512(32), halves_of_256(16);

// The exact form for eight sums, and for sixteen; `lane` is the first.
FARD_AVX512_INLINE __m256i round_exactly(__m256i sums, const Affine& affine, std::size_t lane) {
    const __m512d x = _mm512_add_pd(_mm512_cvtepi32_pd(sums), _mm512_loadu_pd(affine.exact_adds + lane));
    const __m512d product = _mm512_mul_pd(x, _mm512_loadu_pd(affine.exact_factors + lane));
    return _mm512_cvtpd_epi32(_mm512_add_pd(product, _mm512_loadu_pd(affine.exact_offsets + lane)));
}
FARD_AVX512_INLINE __m512i round_exactly(__m512i sums, const Affine& affine, std::size_t lane) {
    const __m256i low = round_exactly(_mm512_castsi512_si256(sums), affine, lane);
    const __m256i high = round_exactly(_mm512_extracti64x4_epi64(sums, 1), affine, lane + 8);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// The larger absolute value: of `most`, and of what rounding takes away from t.
FARD_AVX512_INLINE __m512 farther(__m512 most, __m512 t) {
    return _mm512_range_ps(most, _mm512_reduce_ps(t, _MM_FROUND_TO_NEAREST_INT), 0b1011);
}

FARD_AVX512_INLINE __m512i limit(__m512i bytes, const Affine& affine) {
    if (affine.low == 0 && affine.high == 255) return bytes;
    bytes = _mm512_max_epu8(bytes, _mm512_set1_epi8(static_cast<char>(affine.low)));
    return _mm512_min_epu8(bytes, _mm512_set1_epi8(static_cast<char>(affine.high)));
}

// Four vectors of codes, already rounded, to 64 bytes; in each 128-bit part the bytes of a, b, c, d follow each other.
FARD_AVX512_INLINE __m512i pack_bytes(__m512i a, __m512i b, __m512i c, __m512i d, const Affine& affine) {
    const __m512i zero = _mm512_set1_epi16(affine.zero);
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
    const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero);
    return limit(_mm512_packus_epi16(low, high), affine);
}

// Where a tile's bytes go. `rows` may be fewer than the tile has; the others are not stored.
struct Target {
    Affine affine;
    std::size_t lanes;
    std::uint8_t* out;
    std::size_t out_stride, rows;
};

// `packed`: in each 128-bit part the bytes of four vectors of codes.
FARD_AVX512_INLINE void store_row(const Target& job, std::size_t row, __m512i packed) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i bytes = _mm512_permutexvar_epi32(order, packed);
    auto* out = job.out + row * job.out_stride;
    if (job.lanes == byte_panel_width)  // a store under a mask takes longer
        _mm512_storeu_si512(out, bytes);
    else if (job.lanes == 32)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_castsi512_si256(bytes));
    else if (job.lanes == 16)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_castsi512_si128(bytes));
    else
        _mm512_mask_storeu_epi8(out, ~std::uint64_t{0} >> (64 - job.lanes), bytes);
}

// Returns a bit for each row that was not sure, if it watches.
template <bool Watches, std::size_t Rows, std::size_t Vectors>
FARD_AVX512_INLINE unsigned store_bytes(const Target& job, const __m512i (&sums)[Rows][Vectors]) {
    __m512 factors[Vectors], offsets[Vectors];
    unsigned unsure = 0;
    FARD_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v) {
        factors[v] = _mm512_loadu_ps(job.affine.factors + v * 16);
        offsets[v] = _mm512_loadu_ps(job.affine.offsets + v * 16);
    }
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        __m512i codes[4] = {};
        __m512 most = _mm512_setzero_ps();
        FARD_UNROLL
        for (std::size_t v = 0; v < Vectors; ++v) {
            const __m512 t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[r][v]), factors[v], offsets[v]);
            if constexpr (Watches) most = farther(most, t);
            codes[v] = _mm512_cvtps_epi32(t);
        }
        if (r < job.rows) store_row(job, r, pack_bytes(codes[0], codes[1], codes[2], codes[3], job.affine));
        if constexpr (Watches)
            unsure |= (_mm512_cmp_ps_mask(most, _mm512_set1_ps(job.affine.sure), _CMP_GT_OQ) != 0 ? 1U : 0U)
                      << r;
    }
    return unsure;
}

// By the fixed form. Returns a bit for each row that was not sure.
template <std::size_t Rows, std::size_t Vectors>
FARD_AVX512_INLINE unsigned store_fixed(const Target& job, const __m512i (&sums)[Rows][Vectors]) {
    constexpr std::size_t pairs = (Vectors + 1) / 2;
    const __m512i upper = _mm512_load_si512(halves_of_512.upper),
                  lower = _mm512_load_si512(halves_of_512.lower);
    __m512i least[Rows], all = _mm512_set1_epi8(-1);
    // In place, a channel's constants at a time: the sums leave few registers for them.
    __m512i fixed[Rows][Vectors];
    FARD_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v) {
        const __m512 factors = _mm512_loadu_ps(job.affine.fixed_factors + v * 16);
        const __m512 offsets = _mm512_loadu_ps(job.affine.fixed_offsets + v * 16);
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r) {
            fixed[r][v] =
                _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[r][v]), factors, offsets));
            asm volatile("" : "+v"(fixed[r][v]));
        }
    }
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        __m512i codes[2] = {};
        least[r] = _mm512_set1_epi8(-1);
        FARD_UNROLL
        for (std::size_t p = 0; p < pairs; ++p) {
            const __m512i a = fixed[r][p * 2], b = fixed[r][p * 2 + 1 < Vectors ? p * 2 + 1 : p * 2];
            codes[p] = _mm512_permutex2var_epi16(a, upper, b);
            least[r] = _mm512_min_epu16(least[r], _mm512_permutex2var_epi16(a, lower, b));
        }
        if (r < job.rows) store_row(job, r, limit(_mm512_packus_epi16(codes[0], codes[1]), job.affine));
        all = _mm512_min_epu16(all, least[r]);
    }
    const __m512i limit_of_unsure = _mm512_set1_epi16(static_cast<short>(job.affine.fixed_unsure));
    unsigned unsure = 0;
    if (_mm512_cmplt_epu16_mask(all, limit_of_unsure) != 0) [[unlikely]]
        for (std::size_t r = 0; r < Rows; ++r)
            unsure |= (_mm512_cmplt_epu16_mask(least[r], limit_of_unsure) != 0 ? 1U : 0U) << r;
    return unsure;
}

}  // namespace fard::soft::avx512
