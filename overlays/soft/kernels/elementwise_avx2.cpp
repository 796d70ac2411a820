#include <immintrin.h>

#define FARD_ELEMENTWISE __attribute__((target("avx2,fma")))
#include "overlays/soft/kernels/elementwise_loops.hpp"

namespace fard::soft::avx2 {
namespace {

struct Eight {
    static constexpr std::size_t lanes = 8;
    using Integers = __m256i;
    using Floats = __m256;
    FARD_ELEMENTWISE_INLINE static Integers load(const std::uint8_t* from) {
        return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
    }
    FARD_ELEMENTWISE_INLINE static Integers load(const std::int16_t* from) {
        return _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    }
    FARD_ELEMENTWISE_INLINE static Integers load(const std::int32_t* from) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    }
    FARD_ELEMENTWISE_INLINE static Integers whole(std::int32_t value) { return _mm256_set1_epi32(value); }
    FARD_ELEMENTWISE_INLINE static Integers add(Integers a, Integers b) { return _mm256_add_epi32(a, b); }
    FARD_ELEMENTWISE_INLINE static Integers subtract(Integers a, Integers b) {
        return _mm256_sub_epi32(a, b);
    }
    FARD_ELEMENTWISE_INLINE static Integers smaller(Integers a, Integers b) { return _mm256_min_epi32(a, b); }
    FARD_ELEMENTWISE_INLINE static Integers larger(Integers a, Integers b) { return _mm256_max_epi32(a, b); }
    FARD_ELEMENTWISE_INLINE static Floats load(const float* from) { return _mm256_loadu_ps(from); }
    FARD_ELEMENTWISE_INLINE static Floats all(float value) { return _mm256_set1_ps(value); }
    FARD_ELEMENTWISE_INLINE static Floats real(Integers a) { return _mm256_cvtepi32_ps(a); }
    FARD_ELEMENTWISE_INLINE static Floats fma(Floats a, Floats b, Floats c) {
        return _mm256_fmadd_ps(a, b, c);
    }
    FARD_ELEMENTWISE_INLINE static Floats smaller(Floats a, Floats b) { return _mm256_min_ps(a, b); }
    FARD_ELEMENTWISE_INLINE static Floats larger(Floats a, Floats b) { return _mm256_max_ps(a, b); }
    FARD_ELEMENTWISE_INLINE static Integers round(Floats t) { return _mm256_cvtps_epi32(t); }
    FARD_ELEMENTWISE_INLINE static std::uint32_t unsure(Floats t, Floats sure) {
        const Floats rounded = _mm256_round_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        const Floats off = _mm256_andnot_ps(_mm256_set1_ps(-0.F), _mm256_sub_ps(t, rounded));
        return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(off, sure, _CMP_NLE_UQ)));
    }
    FARD_ELEMENTWISE_INLINE static void store(std::uint8_t* to, Integers codes) {
        const __m128i words =
            _mm_packs_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256(codes, 1));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(words, words));
    }
};

}  // namespace

constexpr ElementwiseKernels elementwise = kernels_of<Eight>;

}  // namespace fard::soft::avx2
