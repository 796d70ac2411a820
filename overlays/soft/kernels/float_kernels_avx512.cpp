#include <immintrin.h>

#define FARD_FLOATS __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#include "overlays/soft/kernels/float_loops.hpp"
#include "overlays/soft/kernels/single_loops.hpp"

namespace fard::soft::avx512 {
namespace {

struct Eight {
    static constexpr std::size_t lanes = 8, rows = 6, vectors = 4;
    using Doubles = __m512d;
    FARD_FLOATS_INLINE static Doubles load(const double* from) { return _mm512_loadu_pd(from); }
    FARD_FLOATS_INLINE static Doubles all(double value) { return _mm512_set1_pd(value); }
    FARD_FLOATS_INLINE static Doubles real(const float* from) {
        return _mm512_cvtps_pd(_mm256_loadu_ps(from));
    }
    FARD_FLOATS_INLINE static Doubles fma(Doubles a, Doubles b, Doubles c) {
        return _mm512_fmadd_pd(a, b, c);
    }
    FARD_FLOATS_INLINE static Doubles add(Doubles a, Doubles b) { return _mm512_add_pd(a, b); }
    FARD_FLOATS_INLINE static void keep(double* to, Doubles a) { _mm512_storeu_pd(to, a); }
    // The second operand is the result where one is no number, and for -0.
    FARD_FLOATS_INLINE static void store(float* to, Doubles a, bool relu) {
        const __m256 x = _mm512_cvtpd_ps(a);
        _mm256_storeu_ps(to, relu ? _mm256_max_ps(_mm256_setzero_ps(), x) : x);
    }
};

struct SixteenSingles {
    static constexpr std::size_t lanes = 16, most_vectors = 4;
    static constexpr std::size_t rows_of(std::size_t vectors) { return vectors == 4 ? 6 : 8; }
    using Singles = __m512;
    FARD_FLOATS_INLINE static Singles load(const float* from) { return _mm512_loadu_ps(from); }
    FARD_FLOATS_INLINE static Singles all(const float* from) { return _mm512_set1_ps(*from); }
    FARD_FLOATS_INLINE static Singles add_product(Singles a, Singles b, Singles sum) { return _mm512_fmadd_ps(a, b, sum); }
    FARD_FLOATS_INLINE static Singles larger(Singles a, Singles b) { return _mm512_max_ps(a, b); }
    FARD_FLOATS_INLINE static void store(float* to, Singles x) { _mm512_storeu_ps(to, x); }
};

}  // namespace

constexpr FloatKernels floats = float_kernels_of<Eight, SixteenSingles>;

}  // namespace fard::soft::avx512
