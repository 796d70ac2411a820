// What the NEON kernels share: a tile of sums becomes bytes. For the NEON kernels' sources only.
//
// 32-bit processors may be without NEON, so that functions with it say so; they also have no conversion that rounds half
// to even and may have no fused multiplication, so that a result which these could change is made by plain::finish.
#pragma once

#include <arm_neon.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "overlays/soft/kernels/byte_kernels_plain.hpp"

#if defined(__aarch64__)
#define FARD_NEON
#else
#define FARD_NEON __attribute__((target("fpu=neon")))
#endif
#define FARD_NEON_INLINE FARD_NEON inline __attribute__((always_inline))
// Arrays of vectors stay in registers only if their loops are unrolled early.
#define FARD_UNROLL _Pragma("GCC unroll 8")

namespace fard::soft::neon {

constexpr std::size_t quads = vector_width / 4;  // a vector of sums in NEON's registers

struct Rounded {
    int32x4_t codes;
    uint32x4_t unsure;  // all ones where `codes` may be another than Affine's
};

#if defined(__aarch64__)
constexpr bool always_watches = false;

// Without `Watches` nothing is unsure.
template <bool Watches>
FARD_NEON_INLINE Rounded round_affine(int32x4_t sums, const Affine& affine, std::size_t lane) {
    const float32x4_t t =
        vfmaq_f32(vld1q_f32(affine.offsets + lane), vcvtq_f32_s32(sums), vld1q_f32(affine.factors + lane));
    if constexpr (!Watches) return {vcvtnq_s32_f32(t), vdupq_n_u32(0)};
    return {vcvtnq_s32_f32(t), vcgtq_f32(vabdq_f32(t, vrndnq_f32(t)), vdupq_n_f32(affine.sure))};
}
#else
constexpr bool always_watches = true;

// The product is rounded by itself, the result once more, and the fused result once: together they are off by less than
// (|product| + |t|) * 2^-23 from it. Added to 1.5 * 2^23 a number is rounded to a whole one; what is cut off before lies
// beyond all codes. What is off by how much is not negative, so that its bits compare as integers (GCC 12 compares vectors of floats
// one element after the other here, for the sake of denormals).
template <bool Watches>
FARD_NEON_INLINE Rounded round_affine(int32x4_t sums, const Affine& affine, std::size_t lane) {
    const float32x4_t product = vmulq_f32(vcvtq_f32_s32(sums), vld1q_f32(affine.factors + lane));
    const float32x4_t real = vaddq_f32(product, vld1q_f32(affine.offsets + lane));
    const float32x4_t far = vdupq_n_f32(0x1p17F), whole = vdupq_n_f32(0x1.8p23F);
    const float32x4_t t = vmaxq_f32(vminq_f32(real, far), vnegq_f32(far));
    const float32x4_t rounded = vsubq_f32(vaddq_f32(t, whole), whole);
    const float32x4_t error = vmulq_n_f32(vaddq_f32(vabsq_f32(product), vabsq_f32(real)), 0x1p-23F);
    const float32x4_t off = vaddq_f32(vabdq_f32(t, rounded), error);
    return {vcvtq_s32_f32(rounded), vcgeq_s32(vreinterpretq_s32_f32(off), vdupq_n_s32(std::bit_cast<std::int32_t>(affine.sure)))};
}
#endif

// The sums of 16 channels of one pixel and where they go: `lanes` bytes at `out`. The constants of sums[i] begin at
// lane[i].
struct Sixteen {
    const Affine& affine;
    std::size_t lane[quads];
    std::uint8_t* out;
    std::size_t lanes;
};

FARD_NEON_INLINE bool any(uint32x4_t mask) {
    const uint32x2_t either = vorr_u32(vget_low_u32(mask), vget_high_u32(mask));
    return (vget_lane_u32(either, 0) | vget_lane_u32(either, 1)) != 0;
}

FARD_NEON_INLINE uint8x16_t bytes_of(const int32x4_t (&codes)[quads], const Affine& affine) {
    const int16x8_t zero = vdupq_n_s16(affine.zero);
    const int16x8_t low = vcombine_s16(vqmovn_s32(codes[0]), vqmovn_s32(codes[1]));
    const int16x8_t high = vcombine_s16(vqmovn_s32(codes[2]), vqmovn_s32(codes[3]));
    const uint8x16_t bytes =
        vcombine_u8(vqmovun_s16(vqaddq_s16(low, zero)), vqmovun_s16(vqaddq_s16(high, zero)));
    return vminq_u8(vmaxq_u8(bytes, vdupq_n_u8(affine.low)), vdupq_n_u8(affine.high));
}

FARD_NEON_INLINE void store_lanes(std::uint8_t* out, uint8x16_t bytes, std::size_t lanes) {
    if (lanes >= vector_width) return vst1q_u8(out, bytes);
    std::uint8_t all[vector_width];
    vst1q_u8(all, bytes);
    std::memcpy(out, all, lanes);
}

// Each of `unsure`'s lanes once more.
FARD_NEON inline __attribute__((noinline)) void mend(const Sixteen& job, const int32x4_t (&sums)[quads],
                                                     const uint32x4_t (&unsure)[quads]) {
    for (std::size_t i = 0; i < quads; ++i) {
        std::int32_t four[4];
        std::uint32_t marks[4];
        vst1q_s32(four, sums[i]);
        vst1q_u32(marks, unsure[i]);
        for (std::size_t n = 0; n < 4 && i * 4 + n < job.lanes; ++n)
            if (marks[n] != 0) job.out[i * 4 + n] = plain::finish(job.affine, job.lane[i] + n, four[n]);
    }
}

template <bool Watches>
FARD_NEON_INLINE void store_codes(const Sixteen& job, const int32x4_t (&sums)[quads]) {
    int32x4_t codes[quads];
    uint32x4_t unsure[quads];
    FARD_UNROLL
    for (std::size_t i = 0; i < quads; ++i) {
        const Rounded rounded = round_affine<Watches>(sums[i], job.affine, job.lane[i]);
        codes[i] = rounded.codes;
        unsure[i] = rounded.unsure;
    }
    store_lanes(job.out, bytes_of(codes, job.affine), job.lanes);
    if constexpr (Watches)
        if (any(vorrq_u32(vorrq_u32(unsure[0], unsure[1]), vorrq_u32(unsure[2], unsure[3]))))
            mend(job, sums, unsure);
}

// Whether results by `affine` need watching.
inline bool watches(const Affine& affine) {
    return always_watches || affine.exact_factors;
}

// The same for sums [16] whose constants begin at `lane`.
template <bool Watches>
FARD_NEON void store_row(const Affine& affine, std::size_t lane, const std::int32_t* sums, std::uint8_t* out,
                         std::size_t lanes) {
    int32x4_t row[quads];
    FARD_UNROLL
    for (std::size_t i = 0; i < quads; ++i)
        row[i] = vld1q_s32(sums + i * 4);
    store_codes<Watches>({affine, {lane, lane + 4, lane + 8, lane + 12}, out, lanes}, row);
}

using StoreRow = void (*)(const Affine&, std::size_t, const std::int32_t*, std::uint8_t*, std::size_t);
inline StoreRow row_storer(const Affine& affine) {
    return watches(affine) ? store_row<true> : store_row<always_watches>;
}

}  // namespace fard::soft::neon
