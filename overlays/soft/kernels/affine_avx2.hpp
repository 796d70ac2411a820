// What Affine makes of sums, on AVX2 with FMA: for kernels that are built with it (private to *_avx2.cpp).
#pragma once

#include <immintrin.h>

#include <cstring>

#include "overlays/soft/kernels/byte_kernels.hpp"

#define FARD_AVX2 __attribute__((target("avx2,fma")))
#define FARD_AVX2_INLINE FARD_AVX2 inline __attribute__((always_inline))
// Arrays of vectors stay in registers only if their loops are unrolled early.
#define FARD_UNROLL _Pragma("GCC unroll 8")

namespace fard::soft::avx2 {

FARD_AVX2_INLINE __m256i load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
FARD_AVX2_INLINE __m128i load_half(const void* from) {
    return _mm_loadu_si128(static_cast<const __m128i*>(from));
}
FARD_AVX2_INLINE void store(void* to, __m256i value) {
    _mm256_storeu_si256(static_cast<__m256i*>(to), value);
}

FARD_AVX2_INLINE __m256i broadcast4(const void* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm256_set1_epi32(four);
}

FARD_AVX2_INLINE void store_lanes(std::uint8_t* out, __m128i bytes, std::size_t lanes) {
    if (lanes >= vector_width) return _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
    std::uint8_t all[vector_width];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(all), bytes);
    std::memcpy(out, all, lanes);
}

// The float form for eight sums, the exact one for four, and then for eight; `lane` is the first.
FARD_AVX2_INLINE __m256i round_float(const std::int32_t* sums, const Affine& affine, std::size_t lane) {
    const __m256 t = _mm256_fmadd_ps(_mm256_cvtepi32_ps(load(sums)), _mm256_loadu_ps(affine.factors + lane),
                                     _mm256_loadu_ps(affine.offsets + lane));
    return _mm256_cvtps_epi32(t);
}
FARD_AVX2_INLINE __m128i round_four(const std::int32_t* sums, const Affine& affine, std::size_t lane) {
    const __m256d x =
        _mm256_add_pd(_mm256_cvtepi32_pd(load_half(sums)), _mm256_loadu_pd(affine.exact_adds + lane));
    const __m256d product = _mm256_mul_pd(x, _mm256_loadu_pd(affine.exact_factors + lane));
    return _mm256_cvtpd_epi32(_mm256_add_pd(product, _mm256_loadu_pd(affine.exact_offsets + lane)));
}
FARD_AVX2_INLINE __m256i round_exactly(const std::int32_t* sums, const Affine& affine, std::size_t lane) {
    return _mm256_set_m128i(round_four(sums + 4, affine, lane + 4), round_four(sums, affine, lane));
}

// Codes of 16 sums whose constants begin at `lane`.
template <bool Exact>
FARD_AVX2_INLINE void store_codes(const Affine& affine, std::size_t lane, const std::int32_t* sums,
                                  std::uint8_t* out, std::size_t lanes) {
    const __m256i low = Exact ? round_exactly(sums, affine, lane) : round_float(sums, affine, lane);
    const __m256i high =
        Exact ? round_exactly(sums + 8, affine, lane + 8) : round_float(sums + 8, affine, lane + 8);
    const __m256i words = _mm256_adds_epi16(
        _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0b11011000), _mm256_set1_epi16(affine.zero));
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    const __m128i raised = _mm_max_epu8(bytes, _mm_set1_epi8(static_cast<char>(affine.low)));
    store_lanes(out, _mm_min_epu8(raised, _mm_set1_epi8(static_cast<char>(affine.high))), lanes);
}

}  // namespace fard::soft::avx2
