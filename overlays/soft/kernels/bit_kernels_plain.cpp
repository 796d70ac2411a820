#include "overlays/soft/kernels/bit_kernels_plain.hpp"

#include <algorithm>
#include <bit>

#include "overlays/soft/kernels/byte_kernels_plain.hpp"

namespace fard::soft::plain {
namespace {

void count_row(const GemmBits& job, const std::uint64_t* row, std::int32_t* counts) {
    const auto lanes = bit_lanes(job.lanes);
    std::fill_n(counts, lanes, 0);
    for (std::size_t plane = 0; plane < job.planes; ++plane, row += job.plane_stride) {
        const auto* weights = job.panel;
        for (std::size_t i = 0; i < job.weight_planes; ++i)
            for (std::size_t run = 0; run < job.runs; ++run)
                for (std::size_t word = 0; word < job.run_words; ++word, weights += lanes)
                    for (std::size_t n = 0; n < lanes; ++n)
                        counts[n] += std::popcount(row[run * job.run_stride + word] ^ weights[n]) << plane;
    }
}

std::int32_t sum_of(const GemmBits& job, std::size_t lane, std::int32_t count) {
    const auto sum = job.totals[lane] - count;
    return job.shift < 0 ? sum / 2 : sum << job.shift;
}

}  // namespace

void pack_bits(const PackBits& job) {
    const std::size_t words = (job.channels + 63) / 64;
    for (std::size_t plane = 0; plane < job.planes; ++plane) {
        auto* to = job.out + plane * job.plane_stride;
        const auto bit = job.first_bit + plane;
        for (std::size_t pixel = 0; pixel < job.pixels; ++pixel, to += words) {
            std::fill_n(to, words, 0);
            const auto* from = job.image + pixel * job.channels;
            for (std::size_t c = 0; c < job.channels; ++c)
                to[c / 64] |= static_cast<std::uint64_t>(from[c] >> bit & 1) << (c % 64);
        }
    }
}

void gemm_bits(const GemmBits& job) {
    std::int32_t counts[bit_panel_width];
    for (std::size_t r = 0; r < job.row_count; ++r) {
        count_row(job, job.rows[r], counts);
        if (job.sums)
            for (std::size_t n = 0; n < bit_lanes(job.lanes); ++n)
                job.sums[(n / vector_width * job.row_count + r) * vector_width + n % vector_width] =
                    sum_of(job, n, counts[n]);
        else
            for (std::size_t n = 0; n < job.lanes; ++n)
                job.out[r * job.out_stride + n] = finish(job.affine, n, sum_of(job, n, counts[n]));
    }
}

}  // namespace fard::soft::plain
