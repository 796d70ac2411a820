// Depthwise convolutions three columns wide for NEON: 16 channels at a time, a row of output pixels with the same weights.
#include "overlays/soft/kernels/kernels_neon.hpp"
#include "overlays/soft/kernels/neon.hpp"

namespace fard::soft::neon {
namespace {

constexpr std::size_t columns = 3;

// Sixteen channels: their weights widened, and where their constants are.
struct Slice {
    std::size_t begin;                                           // the first channel
    std::size_t lane[quads];                                     // of Affine
    std::size_t lines;                                           // rows of the kernel that have weights
    alignas(16) std::int16_t weights[4][columns][vector_width];  // by row
};

// Of four lanes' weights, [lane][line] in the panel: two lines each, [line][lane].
struct Lines {
    int16x8_t first, second;  // lines 0 and 1, 2 and 3
};

FARD_NEON_INLINE Lines lines_of(const std::int8_t* weights) {
    constexpr std::uint8_t order[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    const int8x16_t panel = vld1q_s8(weights);
    const int8x8x2_t pair = {{vget_low_s8(panel), vget_high_s8(panel)}};
    return {vmovl_s8(vtbl2_s8(pair, vreinterpret_s8_u8(vld1_u8(order)))), vmovl_s8(vtbl2_s8(pair, vreinterpret_s8_u8(vld1_u8(order + 8))))};
}

// `at` is the first channel within the block of `width` channels at `block` (depthwise_channel: vector v has channels
// at + 4 v ... at + 4 v + 3 in lanes at / 4 ...).
FARD_NEON Slice slice_of(const Depthwise3& job, std::size_t block, std::size_t width, std::size_t at) {
    Slice slice{block + at, {}, 1, {}};
    const std::size_t vector_lanes = width / 4;
    const auto* weights = job.weights + block * 12 * job.planes;
    const std::size_t planes = job.block_planes ? job.block_planes[block / 64] : 1;
    int16x4_t used[4] = {vdup_n_s16(0), vdup_n_s16(0), vdup_n_s16(0), vdup_n_s16(0)};
    for (std::size_t v = 0; v < quads; ++v) {
        const auto lane = v * vector_lanes + at / 4;
        slice.lane[v] = block + lane;
        for (std::size_t c = 0; c < columns; ++c) {
            auto sum = lines_of(weights + (c * width + lane) * 4);
            for (std::size_t plane = 1; plane < planes; ++plane) {
                const auto more = lines_of(weights + ((plane * columns + c) * width + lane) * 4);
                sum = {vaddq_s16(sum.first, more.first), vaddq_s16(sum.second, more.second)};
            }
            const int16x4_t lines[4] = {vget_low_s16(sum.first), vget_high_s16(sum.first), vget_low_s16(sum.second), vget_high_s16(sum.second)};
            FARD_UNROLL
            for (std::size_t line = 0; line < 4; ++line) {
                vst1_s16(slice.weights[line][c] + v * 4, lines[line]);
                used[line] = vorr_s16(used[line], lines[line]);
            }
        }
    }
    FARD_UNROLL
    for (std::size_t line = 0; line < 4; ++line)
        if (vget_lane_s64(vreinterpret_s64_s16(used[line]), 0) != 0) slice.lines = line + 1;
    return slice;
}

FARD_NEON_INLINE void add_column(const Depthwise3& job, const Slice& slice, std::ptrdiff_t x,
                                 std::size_t column, int32x4_t (&sums)[quads]) {
    const bool inside = x >= 0 && x < job.in_width;
    for (std::size_t line = 0; line < slice.lines; ++line) {
        const auto* pixel = (inside ? job.lines[line] + x * job.channels : job.outside) + slice.begin;
        const uint8x16_t bytes = vld1q_u8(pixel);
        const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));
        const int16x8_t high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(bytes)));
        const auto* weights = slice.weights[line][column];
        sums[0] = vmlal_s16(sums[0], vget_low_s16(low), vld1_s16(weights));
        sums[1] = vmlal_s16(sums[1], vget_high_s16(low), vld1_s16(weights + 4));
        sums[2] = vmlal_s16(sums[2], vget_low_s16(high), vld1_s16(weights + 8));
        sums[3] = vmlal_s16(sums[3], vget_high_s16(high), vld1_s16(weights + 12));
    }
}

template <bool Watches>
FARD_NEON void make_slice(const Depthwise3& shared_job, const Slice& slice) {
    const Depthwise3 job = shared_job;  // a copy of our own: bytes stored may not change it
    const auto channels = static_cast<std::size_t>(job.channels);
    auto* out = job.out + slice.begin;
    auto x = job.first_x;
    for (std::size_t i = 0; i < job.count; ++i, x += job.stride, out += channels) {
        int32x4_t sums[quads] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
        FARD_UNROLL
        for (std::size_t c = 0; c < columns; ++c)
            add_column(job, slice, x + static_cast<std::ptrdiff_t>(c), c, sums);
        const auto& lane = slice.lane;
        store_codes<Watches>({job.affine, {lane[0], lane[1], lane[2], lane[3]}, out, channels - slice.begin},
                             sums);
    }
}

}  // namespace

void depthwise3(const Depthwise3& job) {
    const auto make = watches(job.affine) ? make_slice<true> : make_slice<always_watches>;
    const auto channels = static_cast<std::size_t>(job.channels);
    for (std::size_t block = 0; block < channels; block += depthwise_block(channels - block)) {
        const auto width = depthwise_block(channels - block);
        for (std::size_t at = 0; at < width && block + at < channels; at += vector_width)
            make(job, slice_of(job, block, width, at));
    }
}

}  // namespace fard::soft::neon
