// 32-bit NEON has no doubles, and takes the plain loops for these; nor has it a fused multiplication.
#include "overlays/soft/kernels/neon.hpp"

#define FARD_FLOATS FARD_NEON
#include "overlays/soft/kernels/float_loops.hpp"
#include "overlays/soft/kernels/single_loops.hpp"

namespace fard::soft::neon {
namespace {

struct FourSingles {
#if defined(__aarch64__)
    static constexpr std::size_t lanes = 4, most_vectors = 4;
    static constexpr std::size_t rows_of(std::size_t vectors) { return vectors == 4 ? 6 : 8; }
#else
    static constexpr std::size_t lanes = 4, most_vectors = 2;
    static constexpr std::size_t rows_of(std::size_t) { return 4; }
#endif
    using Singles = float32x4_t;
    FARD_FLOATS_INLINE static Singles load(const float* from) { return vld1q_f32(from); }
    FARD_FLOATS_INLINE static Singles all(const float* from) { return vld1q_dup_f32(from); }
    FARD_FLOATS_INLINE static Singles add_product(Singles a, Singles b, Singles sum) {
#if defined(__aarch64__)
        return vfmaq_f32(sum, a, b);
#else
        return vmlaq_f32(sum, a, b);
#endif
    }
    FARD_FLOATS_INLINE static Singles larger(Singles a, Singles b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
    FARD_FLOATS_INLINE static void store(float* to, Singles x) { vst1q_f32(to, x); }
};

#if defined(__aarch64__)
struct Two {
    static constexpr std::size_t lanes = 2, rows = 4, vectors = 4;
    using Doubles = float64x2_t;
    FARD_FLOATS_INLINE static Doubles load(const double* from) { return vld1q_f64(from); }
    FARD_FLOATS_INLINE static Doubles all(double value) { return vdupq_n_f64(value); }
    FARD_FLOATS_INLINE static Doubles real(const float* from) { return vcvt_f64_f32(vld1_f32(from)); }
    FARD_FLOATS_INLINE static Doubles fma(Doubles a, Doubles b, Doubles c) { return vfmaq_f64(c, a, b); }
    FARD_FLOATS_INLINE static Doubles add(Doubles a, Doubles b) { return vaddq_f64(a, b); }
    FARD_FLOATS_INLINE static void keep(double* to, Doubles a) { vst1q_f64(to, a); }
    FARD_FLOATS_INLINE static void store(float* to, Doubles a, bool relu) {
        const float32x2_t x = vcvt_f32_f64(a), zero = vdup_n_f32(0);
        vst1_f32(to, relu ? vbsl_f32(vclt_f32(x, zero), zero, x) : x);
    }
};
#endif

}  // namespace

#if defined(__aarch64__)
constexpr FloatKernels floats = float_kernels_of<Two, FourSingles>;
#else
const FloatKernels floats{plain::floats.gemm, plain::floats.depthwise, gemm_singles<FourSingles>, depthwise_singles<FourSingles>,
                          max_floats<FourSingles>, plain::floats.add};
#endif

}  // namespace fard::soft::neon
