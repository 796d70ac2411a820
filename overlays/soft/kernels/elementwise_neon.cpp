// Four elements at a time. On 32-bit ARM a product is rounded by itself, for which what is `sure` leaves room; lines, which are exact
// with fused multiplication alone, go by their tables there.
#include "overlays/soft/kernels/elementwise.hpp"

#include <bit>
#include <cstring>

#include "overlays/soft/kernels/neon.hpp"

#define FARD_ELEMENTWISE FARD_NEON
#include "overlays/soft/kernels/elementwise_loops.hpp"

namespace fard::soft::neon {
namespace {

struct Four {
    static constexpr std::size_t lanes = 4;
    using Integers = int32x4_t;
    using Floats = float32x4_t;
    FARD_ELEMENTWISE_INLINE static Integers load(const std::uint8_t* from) {
        std::uint32_t four;
        std::memcpy(&four, from, sizeof four);
        return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four)))));
    }
    FARD_ELEMENTWISE_INLINE static Integers load(const std::int16_t* from) {
        return vmovl_s16(vld1_s16(from));
    }
    FARD_ELEMENTWISE_INLINE static Integers load(const std::int32_t* from) { return vld1q_s32(from); }
    FARD_ELEMENTWISE_INLINE static Integers whole(std::int32_t value) { return vdupq_n_s32(value); }
    FARD_ELEMENTWISE_INLINE static Integers add(Integers a, Integers b) { return vaddq_s32(a, b); }
    FARD_ELEMENTWISE_INLINE static Integers subtract(Integers a, Integers b) { return vsubq_s32(a, b); }
    FARD_ELEMENTWISE_INLINE static Integers smaller(Integers a, Integers b) { return vminq_s32(a, b); }
    FARD_ELEMENTWISE_INLINE static Integers larger(Integers a, Integers b) { return vmaxq_s32(a, b); }
    FARD_ELEMENTWISE_INLINE static Floats load(const float* from) { return vld1q_f32(from); }
    FARD_ELEMENTWISE_INLINE static Floats all(float value) { return vdupq_n_f32(value); }
    FARD_ELEMENTWISE_INLINE static Floats real(Integers a) { return vcvtq_f32_s32(a); }
    FARD_ELEMENTWISE_INLINE static Floats smaller(Floats a, Floats b) { return vminq_f32(a, b); }
    FARD_ELEMENTWISE_INLINE static Floats larger(Floats a, Floats b) { return vmaxq_f32(a, b); }
#if defined(__aarch64__)
    FARD_ELEMENTWISE_INLINE static Floats fma(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
    FARD_ELEMENTWISE_INLINE static Integers round(Floats t) { return vcvtnq_s32_f32(t); }
    FARD_ELEMENTWISE_INLINE static std::uint32_t unsure(Floats t, Floats sure) {
        return vminvq_u32(vcleq_f32(vabdq_f32(t, vrndnq_f32(t)), sure)) == 0 ? 15 : 0;
    }
#else
    FARD_ELEMENTWISE_INLINE static Floats fma(Floats a, Floats b, Floats c) { return vmlaq_f32(c, a, b); }
    // To a whole number, half to even: what 2^23 is added to has no more fraction; from there on there is none.
    FARD_ELEMENTWISE_INLINE static Floats whole(Floats t) {
        const uint32x4_t sign = vdupq_n_u32(0x80000000U), bits = vreinterpretq_u32_f32(t);
        const float32x4_t least = vdupq_n_f32(0x1p23F), magic = vbslq_f32(sign, t, least);
        const uint32x4_t small = vcltq_u32(vbicq_u32(bits, sign), vreinterpretq_u32_f32(least));
        return vbslq_f32(small, vsubq_f32(vaddq_f32(t, magic), magic), t);
    }
    FARD_ELEMENTWISE_INLINE static Integers round(Floats t) { return vcvtq_s32_f32(whole(t)); }
    FARD_ELEMENTWISE_INLINE static std::uint32_t unsure(Floats t, Floats sure) {
        // Neither is negative, so that bits compare as the numbers; what is no number has larger ones.
        const uint32x4_t off = vreinterpretq_u32_f32(vabdq_f32(t, whole(t)));
        return any(vcgtq_u32(off, vreinterpretq_u32_f32(sure))) ? 15 : 0;
    }
#endif
    FARD_ELEMENTWISE_INLINE static void store(std::uint8_t* to, Integers codes) {
        const uint16x4_t words = vmovn_u32(vreinterpretq_u32_s32(codes));
        const std::uint32_t four =
            vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
        std::memcpy(to, &four, sizeof four);
    }
};

#if !defined(__aarch64__)
// NEON of 32 bits takes denormals for 0, which matters where the factor makes codes of them.
void quantize(const QuantizeFloats& job) {
    job.factor < 0x1p100F ? quantize_of<Four>(job) : plain::quantize(job);
}
#endif

}  // namespace

#if defined(__aarch64__)
constexpr ElementwiseKernels elementwise = kernels_of<Four>;
#else
constexpr ElementwiseKernels elementwise{plain::map_sums, merge_of<Four>, quantize};
#endif

}  // namespace fard::soft::neon
