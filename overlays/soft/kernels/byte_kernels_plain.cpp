#include "overlays/soft/kernels/byte_kernels_plain.hpp"

#include <algorithm>
#include <cmath>

namespace fard::soft::plain {
namespace {

// Sums are kept modulo 2^32: what leaves 32 bits on the way comes back.
void add_product(std::uint32_t& sum, std::uint8_t a, std::int8_t b) {
    sum += static_cast<std::uint32_t>(static_cast<std::int32_t>(a) * b);
}

// `number` is the row's in the job.
void add_row_sum(const GemmBytes& job, std::size_t number, std::uint32_t* sums) {
    const RowSum row = job.row_sums[number];
    for (std::size_t n = 0; n < vectors_of(job.lanes) * vector_width; ++n)
        sums[n] +=
            static_cast<std::uint32_t>(row.low * job.row_factors[n][0] + row.high * job.row_factors[n][1]);
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
    for (std::size_t run = 0; job.tails && run < job.runs; ++run)
        for (std::size_t n = 0; n < width; ++n)
            add_product(sums[n], row[run * job.run_stride + job.run_groups * 4], weights[n * 4 + run]);
}

const std::uint8_t* pixel_at(const Depthwise3& job, std::size_t line, std::ptrdiff_t x) {
    return x < 0 || x >= job.in_width ? job.outside : job.lines[line] + x * job.channels;
}

// In one block, the sum of its planes.
std::int32_t weight_of(const std::int8_t* weights, std::size_t planes, std::size_t width, std::size_t at) {
    std::int32_t sum = 0;
    for (std::size_t plane = 0; plane < planes; ++plane)
        sum += weights[plane * width * 12 + at];
    return sum;
}

void depthwise_block_of(const Depthwise3& job, std::size_t begin, std::size_t width) {
    const std::size_t lanes = width / 4;
    const std::int8_t* weights = job.weights + begin * 12 * job.planes;
    const std::size_t planes = job.block_planes ? job.block_planes[begin / 64] : 1;
    for (std::size_t i = 0; i < job.count; ++i)
        for (std::size_t n = 0; n < width; ++n) {
            const std::size_t channel = begin + depthwise_channel(n / lanes, n % lanes);
            if (channel >= static_cast<std::size_t>(job.channels)) continue;
            std::uint32_t sum = 0;
            for (std::size_t column = 0; column < 3; ++column)
                for (std::size_t line = 0; line < 4; ++line) {
                    const auto x = job.first_x + static_cast<std::ptrdiff_t>(i) * job.stride +
                                   static_cast<std::ptrdiff_t>(column);
                    sum += static_cast<std::uint32_t>(
                        pixel_at(job, line, x)[channel] *
                        weight_of(weights, planes, width, (column * width + n) * 4 + line));
                }
            job.out[i * static_cast<std::size_t>(job.channels) + channel] =
                finish(job.affine, begin + n, static_cast<std::int32_t>(sum));
        }
}

}  // namespace

std::uint8_t finish(const Affine& affine, std::size_t lane, std::int32_t sum) {
    long code;
    if (affine.exact_factors) {
        const double x = sum + affine.exact_adds[lane];
        const double product = x * affine.exact_factors[lane];
        code = std::lrint(product + affine.exact_offsets[lane]);
    } else {
        code = std::lrint(std::fma(static_cast<float>(sum), affine.factors[lane], affine.offsets[lane]));
    }
    return static_cast<std::uint8_t>(std::clamp<long>(code + affine.zero, affine.low, affine.high));
}

void gemm(const GemmBytes& job) {
    std::uint32_t sums[byte_panel_width];
    for (std::size_t r = 0; r < job.row_count; ++r) {
        multiply_row(job, job.rows[r], sums);
        if (job.row_sums) add_row_sum(job, r, sums);
        if (job.sums)
            for (std::size_t n = 0; n < vectors_of(job.lanes) * vector_width; ++n)
                job.sums[(n / vector_width * job.row_count + r) * vector_width + n % vector_width] =
                    static_cast<std::int32_t>(sums[n]);
        else
            for (std::size_t n = 0; n < job.lanes; ++n)
                job.out[r * job.out_stride + n] = finish(job.affine, n, static_cast<std::int32_t>(sums[n]));
    }
}

void pack_triples(const PackTriples& job) {
    const std::size_t run_bytes = job.run_groups * 4;
    std::uint8_t* to = job.packed;
    for (std::size_t first = 0; first < job.row_count; first += triple_rows)
        for (std::size_t low : {0, 2}) {  // x = a + 64 c, y = c + 64 b
            const auto* from = job.rows[std::min(first + low, job.row_count - 1)];
            const auto* above = job.rows[std::min(first + (low == 0 ? 2 : 1), job.row_count - 1)];
            for (std::size_t run = 0; run < job.runs; ++run)
                for (std::size_t i = run * job.run_stride; i < run * job.run_stride + run_bytes; ++i)
                    *to++ = static_cast<std::uint8_t>(from[i] + above[i] * 64);
        }
}

void gemm_triples(const GemmTriples& job) {
    const std::size_t row_bytes = job.groups * 4;
    std::uint32_t sums[packed_rows][byte_panel_width];
    for (std::size_t first = 0; first < job.row_count; first += triple_rows) {
        const GemmBytes shape{nullptr, 0, 1, job.groups, 0, job.panel, job.lanes};
        for (std::size_t i = 0; i < packed_rows; ++i)
            multiply_row(shape, job.packed + (first / triple_rows * packed_rows + i) * row_bytes, sums[i]);
        for (std::size_t n = 0; n < job.lanes; ++n) {
            const auto x = static_cast<std::int32_t>(sums[0][n]), y = static_cast<std::int32_t>(sums[1][n]);
            const std::int32_t above_least = x - 64 * y - job.least[n];
            const std::int32_t b = -(above_least >> 12);
            const std::int32_t each[] = {(above_least & 4095) + job.least[n], b, y - 64 * b};
            for (std::size_t i = 0; i < std::min(triple_rows, job.row_count - first); ++i)
                job.out[(first + i) * job.out_stride + n] = finish(job.affine, n, each[i]);
        }
    }
}

void depthwise3(const Depthwise3& job) {
    const auto channels = static_cast<std::size_t>(job.channels);
    for (std::size_t begin = 0; begin < channels; begin += depthwise_block(channels - begin))
        depthwise_block_of(job, begin, depthwise_block(channels - begin));
}

void add_rows(const AddRows& job) {
    for (std::size_t r = 0; r < job.row_count; ++r) {
        std::uint32_t sum = 0;
        for (std::size_t run = 0; run < job.runs; ++run)
            for (std::size_t i = 0; i < job.run_bytes; ++i)
                sum += job.rows[r][run * job.run_stride + i];
        job.out[r] = {static_cast<std::int16_t>(sum & ((1U << job.low_bits) - 1)),
                      static_cast<std::int16_t>(sum >> job.low_bits)};
    }
}

void max_row(const MaxRow& job) {
    const auto channels = static_cast<std::size_t>(job.channels);
    for (std::size_t i = 0; i < job.count; ++i) {
        std::uint8_t* out = job.out + i * channels;
        std::fill_n(out, channels, std::uint8_t{0});  // a code below which nothing is
        for (std::ptrdiff_t column = 0; column < job.columns; ++column) {
            const auto x = job.first_x + static_cast<std::ptrdiff_t>(i) * job.stride + column * job.dilation;
            if (x < 0 || x >= job.in_width) continue;
            for (std::size_t line = 0; line < job.line_count; ++line)
                for (std::size_t c = 0; c < channels; ++c)
                    out[c] = std::max(out[c], job.lines[line][static_cast<std::size_t>(x) * channels + c]);
        }
    }
}

void pixel_sums(const PixelSums& job) {
    for (std::size_t pixel = 0; pixel < job.pixels; ++pixel)
        for (std::size_t c = 0; c < job.channels; ++c)
            job.sums[c] += job.image[pixel * job.channels + c];
}

}  // namespace fard::soft::plain
