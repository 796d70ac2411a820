#include "overlays/soft/kernels/kernels_neon.hpp"

#include <asm/hwcap.h>
#include <sys/auxv.h>

#include <algorithm>

#include "overlays/soft/kernels/kernels_plain.hpp"
#include "overlays/soft/kernels/neon.hpp"

namespace fard::soft::neon {
namespace {

constexpr std::size_t tile_rows = 2;  // sums take 8 of a 32-bit processor's 16 registers
constexpr std::size_t most_linear_steps =
    32;  // from here on a binary search is faster than comparing with all

// Two of k of a row with 16 channels.
template <int K>
FARD_NEON_INLINE void add_pair(int16x4_t x, const int16x8x2_t& w, int32x4_t& low, int32x4_t& high) {
    low = vmlal_lane_s16(low, vget_low_s16(w.val[K]), x, K);
    high = vmlal_lane_s16(high, vget_high_s16(w.val[K]), x, K);
}

FARD_NEON_INLINE int16x4_t pair_at(const std::int16_t* from) {
    std::uint32_t pair;
    std::memcpy(&pair, from, sizeof pair);
    return vcreate_s16(pair);
}

template <std::size_t Rows>
FARD_NEON void gemm_i16_tile(const GemmI16& job, std::size_t first) {
    int32x4_t sums[Rows][quads];
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        FARD_UNROLL
    for (std::size_t i = 0; i < quads; ++i)
        sums[r][i] = vdupq_n_s32(0);
    const auto* a = job.a + first * job.a_stride;
    for (std::size_t pair = 0; pair < job.pairs; ++pair) {
        const int16x8x2_t low = vld2q_s16(job.panel + pair * 32),
                          high = vld2q_s16(job.panel + pair * 32 + 16);
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r) {
            const int16x4_t x = pair_at(a + r * job.a_stride + pair * 2);
            add_pair<0>(x, low, sums[r][0], sums[r][1]);
            add_pair<0>(x, high, sums[r][2], sums[r][3]);
            add_pair<1>(x, low, sums[r][0], sums[r][1]);
            add_pair<1>(x, high, sums[r][2], sums[r][3]);
        }
    }
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        FARD_UNROLL
    for (std::size_t i = 0; i < quads; ++i)
        vst1q_s32(job.out + (first + r) * panel_width + i * 4, sums[r][i]);
}

// A comparison gives -1 where it holds, so counting is subtracting.
FARD_NEON_INLINE uint8x16_t count_words(int16x8_t low, int16x8_t high, const std::int16_t* limits,
                                        std::size_t steps, std::uint8_t first) {
    uint16x8_t low_counts = vdupq_n_u16(first), high_counts = low_counts;
    for (std::size_t t = 0; t < steps; ++t, limits += panel_width) {
        low_counts = vsubq_u16(low_counts, vcgtq_s16(low, vld1q_s16(limits)));
        high_counts = vsubq_u16(high_counts, vcgtq_s16(high, vld1q_s16(limits + 8)));
    }
    return vcombine_u8(vmovn_u16(low_counts), vmovn_u16(high_counts));
}

FARD_NEON_INLINE int16x8_t words_at(const std::int32_t* sums) {
    return vcombine_s16(vmovn_s32(vld1q_s32(sums)), vmovn_s32(vld1q_s32(sums + 4)));
}

FARD_NEON_INLINE int16x8_t words_of(uint8x8_t bytes) {
    return vreinterpretq_s16_u16(vmovl_u8(bytes));
}

FARD_NEON_INLINE uint8x16_t largest(const MaxRow& job, std::ptrdiff_t x, std::size_t begin) {
    uint8x16_t most = vdupq_n_u8(0);
    for (std::ptrdiff_t column = 0; column < job.columns; ++column, x += job.dilation) {
        if (x < 0 || x >= job.in_width) continue;
        for (std::size_t line = 0; line < job.line_count; ++line)
            most = vmaxq_u8(
                most, vld1q_u8(job.lines[line] + x * job.channels + static_cast<std::ptrdiff_t>(begin)));
    }
    return most;
}

}  // namespace

#if defined(__aarch64__)
bool runs_here() {
    return true;
}
#else
bool runs_here() {
    return (getauxval(AT_HWCAP) & HWCAP_NEON) != 0;
}
#endif

void gemm_i16(const GemmI16& job) {
    std::size_t r = 0;
    for (; r + tile_rows <= job.rows; r += tile_rows)
        gemm_i16_tile<tile_rows>(job, r);
    if (r < job.rows) gemm_i16_tile<1>(job, r);
}

FARD_NEON void count32(const Count32& job) {
    if (job.steps > most_linear_steps) return plain::count32(job);
    for (std::size_t r = 0; r < job.rows; ++r) {
        uint16x4_t narrow[quads];
        for (std::size_t i = 0; i < quads; ++i) {
            const int32x4_t sums = vld1q_s32(job.sums + r * panel_width + i * 4);
            uint32x4_t counts = vdupq_n_u32(job.first);
            for (std::size_t t = 0; t < job.steps; ++t)
                counts = vsubq_u32(counts, vcgtq_s32(sums, vld1q_s32(job.limits + t * panel_width + i * 4)));
            narrow[i] = vmovn_u32(counts);
        }
        const uint8x16_t bytes = vcombine_u8(vmovn_u16(vcombine_u16(narrow[0], narrow[1])),
                                             vmovn_u16(vcombine_u16(narrow[2], narrow[3])));
        store_lanes(job.out + r * job.out_stride, bytes, job.lanes);
    }
}

FARD_NEON void count16(const Count16& job) {
    if (job.steps > most_linear_steps) return plain::count16(job);
    for (std::size_t r = 0; r < job.rows; ++r) {
        const auto* sums = job.sums + r * panel_width;
        store_lanes(job.out + r * job.out_stride,
                    count_words(words_at(sums), words_at(sums + 8), job.limits, job.steps, job.first),
                    job.lanes);
    }
}

void finish16(const Finish16& job) {
    const auto store = row_storer(job.affine);
    for (std::size_t r = 0; r < job.rows; ++r)
        store(job.affine, 0, job.sums + r * panel_width, job.out + r * job.out_stride, job.lanes);
}

FARD_NEON void depthwise16(const Depthwise16& job) {
    if (job.steps > most_linear_steps) return plain::depthwise16(job);
    for (std::size_t c = 0; c < job.channels; c += panel_width) {
        const auto* weights = job.weights + c * job.tap_count;
        int16x8_t low = vdupq_n_s16(0), high = low;
        for (std::size_t t = 0; t < job.tap_count; ++t, weights += panel_width) {
            const uint8x16_t bytes = vld1q_u8(job.taps[t] + c);
            low = vmlaq_s16(low, words_of(vget_low_u8(bytes)), vld1q_s16(weights));
            high = vmlaq_s16(high, words_of(vget_high_u8(bytes)), vld1q_s16(weights + 8));
        }
        store_lanes(job.out + c, count_words(low, high, job.limits + c * job.steps, job.steps, job.first),
                    job.channels - c);
    }
}

FARD_NEON void depthwise32(const Depthwise32& job) {
    for (std::size_t c = 0; c < job.channels; c += 8) {
        const auto* weights = job.weights + c / panel_width * panel_width * job.tap_count + c % panel_width;
        int32x4_t low = vdupq_n_s32(0), high = low;
        for (std::size_t t = 0; t < job.tap_count; ++t, weights += panel_width) {
            const int16x8_t x = words_of(vld1_u8(job.taps[t] + c)), w = vld1q_s16(weights);
            low = vmlal_s16(low, vget_low_s16(x), vget_low_s16(w));
            high = vmlal_s16(high, vget_high_s16(x), vget_high_s16(w));
        }
        vst1q_s32(job.out + c, low);
        vst1q_s32(job.out + c + 4, high);
    }
}

// The last 16 channels may have been among those before.
FARD_NEON void max_row(const MaxRow& job) {
    const auto channels = static_cast<std::size_t>(job.channels);
    if (channels < 16) return plain::max_row(job);
    for (std::size_t at = 0; at < channels; at += 16) {
        const auto begin = std::min(at, channels - 16);
        auto x = job.first_x;
        for (std::size_t i = 0; i < job.count; ++i, x += job.stride)
            vst1q_u8(job.out + i * channels + begin, largest(job, x, begin));
    }
}

FARD_NEON void pixel_sums(const PixelSums& job) {
    std::size_t c = 0;
    for (; c + 8 <= job.channels; c += 8) {
        uint32x4_t low = vreinterpretq_u32_s32(vld1q_s32(job.sums + c)),
                   high = vreinterpretq_u32_s32(vld1q_s32(job.sums + c + 4));
        for (std::size_t pixel = 0; pixel < job.pixels; ++pixel) {
            const uint16x8_t words = vmovl_u8(vld1_u8(job.image + pixel * job.channels + c));
            low = vaddw_u16(low, vget_low_u16(words));
            high = vaddw_u16(high, vget_high_u16(words));
        }
        vst1q_s32(job.sums + c, vreinterpretq_s32_u32(low));
        vst1q_s32(job.sums + c + 4, vreinterpretq_s32_u32(high));
    }
    for (; c < job.channels; ++c)
        for (std::size_t pixel = 0; pixel < job.pixels; ++pixel)
            job.sums[c] += job.image[pixel * job.channels + c];
}

}  // namespace fard::soft::neon
