// On 64-bit ARM; 32-bit NEON has no doubles, and takes the plain loops.
#include "overlays/soft/float_kernels.hpp"

#if defined(__aarch64__)
#include <arm_neon.h>

#define FARD_FLOATS
#include "overlays/soft/float_loops.hpp"

namespace fard::soft::neon {
namespace {

struct Two {
    static constexpr std::size_t lanes = 2, rows = 4, vectors = 4;
    using Doubles = float64x2_t;
    FARD_FLOATS_INLINE static Doubles load(const double* from) { return vld1q_f64(from); }
    FARD_FLOATS_INLINE static Doubles all(double value) { return vdupq_n_f64(value); }
    FARD_FLOATS_INLINE static Doubles real(const float* from) { return vcvt_f64_f32(vld1_f32(from)); }
    FARD_FLOATS_INLINE static Doubles fma(Doubles a, Doubles b, Doubles c) { return vfmaq_f64(c, a, b); }
    FARD_FLOATS_INLINE static Doubles add(Doubles a, Doubles b) { return vaddq_f64(a, b); }
    FARD_FLOATS_INLINE static void store(float* to, Doubles a, bool relu) {
        const float32x2_t x = vcvt_f32_f64(a), zero = vdup_n_f32(0);
        vst1_f32(to, relu ? vbsl_f32(vclt_f32(x, zero), zero, x) : x);
    }
};

}  // namespace

constexpr FloatKernels floats = float_kernels_of<Two>;

}  // namespace fard::soft::neon

#else

namespace fard::soft::neon {

const FloatKernels floats = plain::floats;

}  // namespace fard::soft::neon

#endif
