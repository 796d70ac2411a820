#include "overlays/soft/byte_kernels_plain.hpp"

#include <algorithm>
#include <cmath>

namespace fard::soft::plain {
namespace {

// Sums are kept modulo 2^32: what leaves 32 bits on the way comes back.
void add_product(std::uint32_t& sum, std::uint8_t a, std::int8_t b) {
    sum += static_cast<std::uint32_t>(static_cast<std::int32_t>(a) * b);
}

void multiply_row(const GemmBytes& job, const std::uint8_t* row, std::uint32_t* sums) {
    const std::size_t width = vectors_of(job.lanes) * vector_width;
    std::fill_n(sums, width, 0u);
    const std::int8_t* weights = job.panel;
    for (std::size_t run = 0; run < job.runs; ++run)
        for (std::size_t g = 0; g < job.run_groups; ++g, weights += width * 4)
            for (std::size_t n = 0; n < width; ++n)
                for (std::size_t i = 0; i < 4; ++i)
                    add_product(sums[n], row[run * job.run_stride + g * 4 + i], weights[n * 4 + i]);
}

const std::uint8_t* pixel_at(const Depthwise3& job, std::size_t line, std::ptrdiff_t x) {
    return x < 0 || x >= job.in_width ? job.outside : job.lines[line] + x * job.channels;
}

void depthwise_block_of(const Depthwise3& job, std::size_t begin, std::size_t width) {
    const std::size_t lanes = width / 4;
    const std::int8_t* weights = job.weights + begin * 12;
    for (std::size_t i = 0; i < job.count; ++i)
        for (std::size_t n = 0; n < width; ++n) {
            const std::size_t channel = begin + depthwise_channel(n / lanes, n % lanes);
            if (channel >= static_cast<std::size_t>(job.channels)) continue;
            std::uint32_t sum = 0;
            for (std::size_t column = 0; column < 3; ++column)
                for (std::size_t line = 0; line < 4; ++line) {
                    const auto x = job.first_x + static_cast<std::ptrdiff_t>(i) * job.stride +
                                   static_cast<std::ptrdiff_t>(column);
                    add_product(sum, pixel_at(job, line, x)[channel],
                                weights[(column * width + n) * 4 + line]);
                }
            job.out[i * static_cast<std::size_t>(job.channels) + channel] =
                finish(job.affine, begin + n, static_cast<std::int32_t>(sum));
        }
}

}  // namespace

std::uint8_t finish(const Affine& affine, std::size_t lane, std::int32_t sum) {
    const float real = std::fma(static_cast<float>(sum), affine.factors[lane], affine.offsets[lane]);
    const auto code = std::lrint(real) + affine.zero;
    return static_cast<std::uint8_t>(std::clamp<long>(code, affine.low, affine.high));
}

void gemm(const GemmBytes& job) {
    std::uint32_t sums[byte_panel_width];
    for (std::size_t r = 0; r < job.row_count; ++r) {
        multiply_row(job, job.rows[r], sums);
        if (job.sums)
            for (std::size_t n = 0; n < vectors_of(job.lanes) * vector_width; ++n)
                job.sums[(n / vector_width * job.row_count + r) * vector_width + n % vector_width] =
                    static_cast<std::int32_t>(sums[n]);
        else
            for (std::size_t n = 0; n < job.lanes; ++n)
                job.out[r * job.out_stride + n] = finish(job.affine, n, static_cast<std::int32_t>(sums[n]));
    }
}

void depthwise3(const Depthwise3& job) {
    const auto channels = static_cast<std::size_t>(job.channels);
    for (std::size_t begin = 0; begin < channels; begin += depthwise_block(channels - begin))
        depthwise_block_of(job, begin, depthwise_block(channels - begin));
}

}  // namespace fard::soft::plain
