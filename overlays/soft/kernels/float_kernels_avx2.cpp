#include <immintrin.h>

#define FARD_FLOATS __attribute__((target("avx2,fma")))
#include "overlays/soft/kernels/float_loops.hpp"
#include "overlays/soft/kernels/single_loops.hpp"

namespace fard::soft::avx2 {
namespace {

struct Four {
    static constexpr std::size_t lanes = 4, rows = 4, vectors = 2;
    using Doubles = __m256d;
    FARD_FLOATS_INLINE static Doubles load(const double* from) { return _mm256_loadu_pd(from); }
    FARD_FLOATS_INLINE static Doubles all(double value) { return _mm256_set1_pd(value); }
    FARD_FLOATS_INLINE static Doubles real(const float* from) { return _mm256_cvtps_pd(_mm_loadu_ps(from)); }
    FARD_FLOATS_INLINE static Doubles fma(Doubles a, Doubles b, Doubles c) {
        return _mm256_fmadd_pd(a, b, c);
    }
    FARD_FLOATS_INLINE static Doubles add(Doubles a, Doubles b) { return _mm256_add_pd(a, b); }
    FARD_FLOATS_INLINE static void keep(double* to, Doubles a) { _mm256_storeu_pd(to, a); }
    // The second operand is the result where one is no number, and for -0.
    FARD_FLOATS_INLINE static void store(float* to, Doubles a, bool relu) {
        const __m128 x = _mm256_cvtpd_ps(a);
        _mm_storeu_ps(to, relu ? _mm_max_ps(_mm_setzero_ps(), x) : x);
    }
};

struct EightSingles {
    static constexpr std::size_t lanes = 8, most_vectors = 2;
    static constexpr std::size_t rows_of(std::size_t) { return 6; }
    using Singles = __m256;
    FARD_FLOATS_INLINE static Singles load(const float* from) { return _mm256_loadu_ps(from); }
    FARD_FLOATS_INLINE static Singles all(const float* from) { return _mm256_broadcast_ss(from); }
    FARD_FLOATS_INLINE static Singles add_product(Singles a, Singles b, Singles sum) { return _mm256_fmadd_ps(a, b, sum); }
    FARD_FLOATS_INLINE static Singles larger(Singles a, Singles b) { return _mm256_max_ps(a, b); }
    FARD_FLOATS_INLINE static void store(float* to, Singles x) { _mm256_storeu_ps(to, x); }
};

}  // namespace

constexpr FloatKernels floats = float_kernels_of<Four, EightSingles>;

}  // namespace fard::soft::avx2
