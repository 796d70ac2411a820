// Matrix products over bytes for NEON, given what multiplies four k of some rows with 16 channels. For the NEON kernels'
// sources only, which define FARD_GEMM: the attribute that lets functions use the instructions of their Product.
//
// A Product has
//
//   template <std::size_t Rows>
//   static void group(const std::uint8_t* const (&from)[Rows], const std::int8_t* weights,
//                     int32x4_t (&sums)[Rows][quads]);     adds four bytes of each row times weights [16][4]
//   static constexpr std::size_t most_rows;                even; their sums stay in registers
//   static constexpr bool takes_signed;                    it takes a row's bytes for 128 less than they are
#pragma once

#include <algorithm>

#include "overlays/soft/kernels/neon.hpp"

namespace fard::soft::neon {

// Sixteen channels of a panel, and the rows' shape as in GemmBytes.
struct PanelPart {
    std::size_t runs, run_groups, run_stride;
    const std::int8_t* weights;  // of the first group
    std::size_t group_bytes;     // from one group to the next
    int32x4_t start[quads];      // what the sums begin with
};

// 128 times the sum of each channel's weights, for a Product that takes 128 less.
FARD_NEON inline void start_signed(PanelPart& part) {
    const std::int8_t* weights = part.weights;
    for (std::size_t g = 0; g < part.runs * part.run_groups; ++g, weights += part.group_bytes)
        for (std::size_t i = 0; i < quads; ++i)
            part.start[i] = vpadalq_s16(part.start[i], vpaddlq_s8(vld1q_s8(weights + i * 16)));
    for (auto& start : part.start)
        start = vshlq_n_s32(start, 7);
}

template <typename Product>
FARD_NEON PanelPart part_of(const GemmBytes& job, std::size_t vector) {
    PanelPart part{
        job.runs, job.run_groups, job.run_stride, job.panel + vector * 64, vectors_of(job.lanes) * 64, {}};
    if constexpr (Product::takes_signed) start_signed(part);
    return part;
}

// The sums of some rows and 16 channels: `to` is [Rows][16].
template <typename Product, std::size_t Rows>
FARD_GEMM void multiply_tile(const PanelPart& part, const std::uint8_t* const* rows, std::int32_t* to) {
    int32x4_t sums[Rows][quads];
    const std::uint8_t* from[Rows];
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        from[r] = rows[r];
        FARD_UNROLL
        for (std::size_t i = 0; i < quads; ++i)
            sums[r][i] = part.start[i];
    }
    const std::int8_t* weights = part.weights;
    const std::size_t skipped = part.run_stride - part.run_groups * 4;
    for (std::size_t run = 0; run < part.runs; ++run) {
        for (std::size_t g = 0; g < part.run_groups; ++g, weights += part.group_bytes) {
            Product::group(from, weights, sums);
            FARD_UNROLL
            for (std::size_t r = 0; r < Rows; ++r)
                from[r] += 4;
        }
        FARD_UNROLL
        for (std::size_t r = 0; r < Rows; ++r)
            from[r] += skipped;
    }
    FARD_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        FARD_UNROLL
    for (std::size_t i = 0; i < quads; ++i)
        vst1q_s32(to + r * vector_width + i * 4, sums[r][i]);
}

// Adds what GemmBytes::row_sums stand for; `factors`: of these 16 channels.
FARD_NEON inline void add_row_sums(const RowSum* rows, const std::int16_t (*factors)[2], std::size_t count,
                                   std::int32_t* sums) {
    int16x4x2_t two[quads];
    for (std::size_t i = 0; i < quads; ++i)
        two[i] = vld2_s16(factors[i * 4]);
    for (std::size_t r = 0; r < count; ++r, sums += vector_width)
        for (std::size_t i = 0; i < quads; ++i) {
            int32x4_t sum = vmlal_n_s16(vld1q_s32(sums + i * 4), two[i].val[0], rows[r].low);
            sum = vmlal_n_s16(sum, two[i].val[1], rows[r].high);
            vst1q_s32(sums + i * 4, sum);
        }
}

// The same for any number of rows up to the Product's most.
template <typename Product, std::size_t Rows = Product::most_rows>
void multiply(const PanelPart& part, const std::uint8_t* const* rows, std::size_t count, std::int32_t* to) {
    if (count == Rows) return multiply_tile<Product, Rows>(part, rows, to);
    if constexpr (Rows > 1) multiply<Product, Rows - 1>(part, rows, count, to);
}

template <typename Product>
void gemm_with(const GemmBytes& job) {
    const auto store = row_storer(job.affine);
    for (std::size_t v = 0; v < vectors_of(job.lanes); ++v) {
        const auto part = part_of<Product>(job, v);
        const auto lane = v * vector_width, lanes = std::min(job.lanes - lane, vector_width);
        for (std::size_t first = 0; first < job.row_count; first += Product::most_rows) {
            const auto rows = std::min(job.row_count - first, Product::most_rows);
            std::int32_t own[Product::most_rows * vector_width];
            auto* sums = job.sums ? job.sums + (v * job.row_count + first) * vector_width : own;
            multiply<Product>(part, job.rows + first, rows, sums);
            if (job.row_sums) add_row_sums(job.row_sums + first, job.row_factors + lane, rows, sums);
            if (job.sums) continue;
            for (std::size_t r = 0; r < rows; ++r)
                store(job.affine, lane, sums + r * vector_width,
                      job.out + (first + r) * job.out_stride + lane, lanes);
        }
    }
}

// The sums of three rows, [3][16], from those of x and y (GemmTriples), [2][16].
FARD_NEON inline void part_triple(const std::int32_t* sums, const std::int32_t* least, std::int32_t* to) {
    for (std::size_t n = 0; n < vector_width; n += 4) {
        const int32x4_t x = vld1q_s32(sums + n), y = vld1q_s32(sums + vector_width + n);
        const int32x4_t smallest = vld1q_s32(least + n);
        const int32x4_t above_least = vsubq_s32(vsubq_s32(x, vshlq_n_s32(y, 6)), smallest);
        const int32x4_t minus_b = vshrq_n_s32(above_least, 12);
        vst1q_s32(to + n, vaddq_s32(vandq_s32(above_least, vdupq_n_s32(4095)), smallest));
        vst1q_s32(to + vector_width + n, vnegq_s32(minus_b));
        vst1q_s32(to + 2 * vector_width + n, vaddq_s32(y, vshlq_n_s32(minus_b, 6)));
    }
}

template <typename Product>
void gemm_triples_with(const GemmTriples& job) {
    const GemmBytes shape{nullptr,   0,  1,       job.groups, job.groups * 4, job.panel,
                          job.lanes, {}, nullptr, 0,          nullptr};
    const auto store = row_storer(job.affine);
    const auto row_bytes = job.groups * 4;
    const auto packed_count = (job.row_count + triple_rows - 1) / triple_rows * packed_rows;
    for (std::size_t v = 0; v < vectors_of(job.lanes); ++v) {
        const auto part = part_of<Product>(shape, v);
        const auto lane = v * vector_width, lanes = std::min(job.lanes - lane, vector_width);
        for (std::size_t first = 0; first < packed_count; first += Product::most_rows) {
            const auto count = std::min(packed_count - first, Product::most_rows);
            const std::uint8_t* rows[Product::most_rows];
            for (std::size_t r = 0; r < count; ++r)
                rows[r] = job.packed + (first + r) * row_bytes;
            std::int32_t sums[Product::most_rows * vector_width], three[triple_rows * vector_width];
            multiply<Product>(part, rows, count, sums);
            for (std::size_t r = 0; r < count; r += packed_rows) {
                part_triple(sums + r * vector_width, job.least + lane, three);
                const auto row = (first + r) / packed_rows * triple_rows;
                for (std::size_t i = 0; i < std::min(triple_rows, job.row_count - row); ++i)
                    store(job.affine, lane, three + i * vector_width,
                          job.out + (row + i) * job.out_stride + lane, lanes);
            }
        }
    }
}

}  // namespace fard::soft::neon
