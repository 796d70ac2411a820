// Depthwise convolutions three columns wide on AVX2: 16 channels at a time, the bytes of two image rows side by side, so that one
// vpmaddwd adds both. A column that several windows share is widened once.
#include <algorithm>

#include "overlays/soft/kernels/affine_avx2.hpp"
#include "overlays/soft/kernels/byte_kernels_avx2.hpp"

namespace fard::soft::avx2 {
namespace {

constexpr std::size_t columns = 3, pairs = 2;  // of four rows

// Sixteen channels: their weights widened, and their constants in the channels' order.
struct Slice {
    std::size_t begin;  // the first channel
    alignas(32)
        std::int16_t weights[columns][pairs][vector_width][2] = {};  // by column, pair of rows, channel, row
    float factors[vector_width], offsets[vector_width];
    double exact_adds[vector_width], exact_factors[vector_width], exact_offsets[vector_width];

    // `at` is the first channel within the block of `width` channels at `block` (depthwise_channel: of each vector four lanes,
    // which are four channels).
    Slice(const Depthwise3& job, std::size_t block, std::size_t width, std::size_t at) : begin(block + at) {
        const auto* from = job.weights + block * 12 * job.planes;
        const std::size_t planes = job.block_planes ? job.block_planes[block / 64] : 1;
        for (std::size_t n = 0; n < vector_width; ++n) {
            const auto lane = n / 4 * (width / 4) + at / 4 + n % 4;
            for (std::size_t c = 0; c < columns; ++c)
                for (std::size_t row = 0; row < 4; ++row)
                    for (std::size_t plane = 0; plane < planes; ++plane)
                        weights[c][row / 2][n][row % 2] =
                            static_cast<std::int16_t>(weights[c][row / 2][n][row % 2] +
                                                      from[((plane * 3 + c) * width + lane) * 4 + row]);
            factors[n] = job.affine.factors[block + lane];
            offsets[n] = job.affine.offsets[block + lane];
            if (!job.affine.exact_factors) continue;
            exact_adds[n] = job.affine.exact_adds[block + lane];
            exact_factors[n] = job.affine.exact_factors[block + lane];
            exact_offsets[n] = job.affine.exact_offsets[block + lane];
        }
    }

    Affine affine(const Affine& like) const {
        return {factors,    offsets,       like.zero,     like.low, like.high,
                exact_adds, exact_factors, exact_offsets, like.sure};
    }
};

// One column of four rows: of two rows each, 8 channels and 8 more.
struct Column {
    __m256i words[pairs][2];
};

FARD_AVX2_INLINE Column widened(const Depthwise3& job, std::ptrdiff_t x, std::size_t begin) {
    const bool inside = x >= 0 && x < job.in_width;
    Column column;
    FARD_UNROLL
    for (std::size_t p = 0; p < pairs; ++p) {
        const auto row = [&](std::size_t i) {
            return (inside ? job.lines[i] + x * job.channels : job.outside) + begin;
        };
        const __m128i a = load_half(row(p * 2)), b = load_half(row(p * 2 + 1));
        column.words[p][0] = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b));
        column.words[p][1] = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b));
    }
    return column;
}

template <bool Exact>
FARD_AVX2_INLINE void make_pixel(const Slice& slice, const Affine& affine, const Column (&three)[columns],
                                 std::uint8_t* out, std::size_t lanes) {
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    FARD_UNROLL
    for (std::size_t c = 0; c < columns; ++c)
        FARD_UNROLL
    for (std::size_t p = 0; p < pairs; ++p)
        FARD_UNROLL
    for (std::size_t half = 0; half < 2; ++half)
        sums[half] = _mm256_add_epi32(
            sums[half], _mm256_madd_epi16(three[c].words[p][half], load(slice.weights[c][p][half * 8])));
    alignas(32) std::int32_t all[vector_width];
    store(all, sums[0]);
    store(all + 8, sums[1]);
    store_codes<Exact>(affine, 0, all, out, lanes);
}

template <bool Exact>
FARD_AVX2 void make_slice(const Depthwise3& shared_job, const Slice& slice) {
    const Depthwise3 job = shared_job;  // a copy of our own: bytes stored may not change it
    const auto affine = slice.affine(job.affine);
    const auto channels = static_cast<std::size_t>(job.channels);
    const auto lanes = std::min(channels - slice.begin, vector_width);
    auto* out = job.out + slice.begin;
    Column three[columns];
    auto x = job.first_x;
    if (job.stride == 1) {
        three[1] = widened(job, x, slice.begin);
        three[2] = widened(job, x + 1, slice.begin);
    }
    for (std::size_t i = 0; i < job.count; ++i, x += job.stride, out += channels) {
        if (job.stride == 1) {
            three[0] = three[1];
            three[1] = three[2];
        } else {
            three[0] = i > 0 && job.stride == 2 ? three[2] : widened(job, x, slice.begin);
            three[1] = widened(job, x + 1, slice.begin);
        }
        three[2] = widened(job, x + 2, slice.begin);
        make_pixel<Exact>(slice, affine, three, out, lanes);
    }
}

}  // namespace

void depthwise3(const Depthwise3& job) {
    const auto make = job.affine.exact_factors ? make_slice<true> : make_slice<false>;
    const auto channels = static_cast<std::size_t>(job.channels);
    for (std::size_t block = 0; block < channels; block += depthwise_block(channels - block)) {
        const auto width = depthwise_block(channels - block);
        for (std::size_t at = 0; at < width && block + at < channels; at += vector_width)
            make(job, Slice(job, block, width, at));
    }
}

}  // namespace fard::soft::avx2
