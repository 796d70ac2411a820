#include <immintrin.h>

#define FARD_ELEMENTWISE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#include "overlays/soft/kernels/elementwise_loops.hpp"

namespace fard::soft::avx512 {
namespace {

struct Sixteen {
    static constexpr std::size_t lanes = 16;
    using Integers = __m512i;
    using Floats = __m512;
    FARD_ELEMENTWISE_INLINE static Integers load(const std::uint8_t* from) {
        return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    }
    FARD_ELEMENTWISE_INLINE static Integers load(const std::int16_t* from) {
        return _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    }
    FARD_ELEMENTWISE_INLINE static Integers load(const std::int32_t* from) {
        return _mm512_loadu_si512(from);
    }
    FARD_ELEMENTWISE_INLINE static Integers whole(std::int32_t value) { return _mm512_set1_epi32(value); }
    FARD_ELEMENTWISE_INLINE static Integers add(Integers a, Integers b) { return _mm512_add_epi32(a, b); }
    FARD_ELEMENTWISE_INLINE static Integers subtract(Integers a, Integers b) {
        return _mm512_sub_epi32(a, b);
    }
    FARD_ELEMENTWISE_INLINE static Integers smaller(Integers a, Integers b) { return _mm512_min_epi32(a, b); }
    FARD_ELEMENTWISE_INLINE static Integers larger(Integers a, Integers b) { return _mm512_max_epi32(a, b); }
    FARD_ELEMENTWISE_INLINE static Floats load(const float* from) { return _mm512_loadu_ps(from); }
    FARD_ELEMENTWISE_INLINE static Floats all(float value) { return _mm512_set1_ps(value); }
    FARD_ELEMENTWISE_INLINE static Floats real(Integers a) { return _mm512_cvtepi32_ps(a); }
    FARD_ELEMENTWISE_INLINE static Floats fma(Floats a, Floats b, Floats c) {
        return _mm512_fmadd_ps(a, b, c);
    }
    FARD_ELEMENTWISE_INLINE static Floats smaller(Floats a, Floats b) { return _mm512_min_ps(a, b); }
    FARD_ELEMENTWISE_INLINE static Floats larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }
    FARD_ELEMENTWISE_INLINE static Integers round(Floats t) { return _mm512_cvtps_epi32(t); }
    FARD_ELEMENTWISE_INLINE static std::uint32_t unsure(Floats t, Floats sure) {
        const Floats off =
            _mm512_abs_ps(_mm512_sub_ps(t, _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT)));
        return _mm512_cmp_ps_mask(off, sure, _CMP_NLE_UQ);
    }
    FARD_ELEMENTWISE_INLINE static void store(std::uint8_t* to, Integers codes) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(codes));
    }
};

}  // namespace

constexpr ElementwiseKernels elementwise = kernels_of<Sixteen>;

}  // namespace fard::soft::avx512
