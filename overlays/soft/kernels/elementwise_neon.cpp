// On 64-bit ARM; 32-bit processors may have no fused multiplication, and take the plain loops.
#include "overlays/soft/kernels/elementwise.hpp"

#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstring>

#define FARD_ELEMENTWISE
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
    FARD_ELEMENTWISE_INLINE static Floats fma(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
    FARD_ELEMENTWISE_INLINE static Floats smaller(Floats a, Floats b) { return vminq_f32(a, b); }
    FARD_ELEMENTWISE_INLINE static Floats larger(Floats a, Floats b) { return vmaxq_f32(a, b); }
    FARD_ELEMENTWISE_INLINE static Integers round(Floats t) { return vcvtnq_s32_f32(t); }
    FARD_ELEMENTWISE_INLINE static std::uint32_t unsure(Floats t, Floats sure) {
        return vminvq_u32(vcleq_f32(vabdq_f32(t, vrndnq_f32(t)), sure)) == 0 ? 15 : 0;
    }
    FARD_ELEMENTWISE_INLINE static void store(std::uint8_t* to, Integers codes) {
        const uint16x4_t words = vmovn_u32(vreinterpretq_u32_s32(codes));
        const std::uint32_t four =
            vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
        std::memcpy(to, &four, sizeof four);
    }
};

}  // namespace

constexpr ElementwiseKernels elementwise = kernels_of<Four>;

}  // namespace fard::soft::neon

#else

namespace fard::soft::neon {

constexpr ElementwiseKernels elementwise{plain::map_sums, plain::merge, plain::quantize};

}  // namespace fard::soft::neon

#endif
