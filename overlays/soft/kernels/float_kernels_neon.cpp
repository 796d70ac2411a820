// 32-bit NEON has no doubles, and takes the plain loops for these; nor has it a fused multiplication.
#include "overlays/soft/kernels/neon.hpp"

#define FARD_FLOATS FARD_NEON
#include "overlays/soft/kernels/float_loops.hpp"
#include "overlays/soft/kernels/single_loops.hpp"

namespace fard::soft::neon {
namespace {

#if defined(__aarch64__)
FARD_FLOATS_INLINE uint32x4_t is_larger(float32x4_t a, float32x4_t b) {
    return vcgtq_f32(a, b);
}
#else
// NEON's own comparison takes denormals for 0, so that GCC 12 compares one element after the other; these are bits that order as the
// numbers do, 0 and -0 the same.
FARD_FLOATS_INLINE int32x4_t ordered(float32x4_t x) {
    const int32x4_t bits = vreinterpretq_s32_f32(x), sign = vshrq_n_s32(bits, 31);
    return vsubq_s32(veorq_s32(vandq_s32(bits, vdupq_n_s32(0x7fffffff)), sign), sign);
}

// As a > b has it: never for what is no number.
FARD_FLOATS_INLINE uint32x4_t is_larger(float32x4_t a, float32x4_t b) {
    const int32x4_t infinity = vdupq_n_s32(0x7f800000), first = ordered(a), second = ordered(b);
    const uint32x4_t numbers = vandq_u32(vcleq_s32(vabsq_s32(first), infinity), vcleq_s32(vabsq_s32(second), infinity));
    return vandq_u32(vcgtq_s32(first, second), numbers);
}
#endif

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
    FARD_FLOATS_INLINE static Singles larger(Singles a, Singles b) { return vbslq_f32(is_larger(a, b), a, b); }
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
