#include <immintrin.h>

#define FARD_FLOATS __attribute__((target("avx2,fma")))
#include "overlays/soft/float_loops.hpp"

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
    // The second operand is the result where one is no number, and for -0.
    FARD_FLOATS_INLINE static void store(float* to, Doubles a, bool relu) {
        const __m128 x = _mm256_cvtpd_ps(a);
        _mm_storeu_ps(to, relu ? _mm_max_ps(_mm_setzero_ps(), x) : x);
    }
};

}  // namespace

constexpr FloatKernels floats = float_kernels_of<Four>;

}  // namespace fard::soft::avx2
