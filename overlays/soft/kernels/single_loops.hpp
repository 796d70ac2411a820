// The loops over vectors of single precision (float_kernels.hpp). For the sources of one instruction set each, which define
// FARD_FLOATS as for float_loops.hpp and have a Set:
//
//   static constexpr std::size_t lanes, most_vectors;  of a vector; of a tile
//   static constexpr std::size_t rows_of(std::size_t vectors);  of a tile of so many vectors, whose sums stay in registers
//   using Singles;
//   static Singles load(const float*), all(const float*), add_product(Singles a, Singles b, Singles sum), larger(Singles a, Singles b);
//   static void store(float*, Singles);
//
// larger(a, b) is a where a > b, else b.
#pragma once

#include <algorithm>
#include <limits>

#include "overlays/soft/kernels/float_loops.hpp"

namespace fard::soft {
namespace {

// Rows of the tile from `first` on and the channels from `lane` on; rows beyond the last are the last once more.
template <typename Set, std::size_t tile_rows, std::size_t vectors>
FARD_FLOATS void single_tile(const GemmSingles& job, std::size_t first, std::size_t lane) {
    typename Set::Singles sums[tile_rows][vectors];
    alignas(64) float edge[vectors * Set::lanes] = {};
    const std::size_t lanes = std::min(job.lanes - lane, vectors * Set::lanes);
    const bool whole = lanes == vectors * Set::lanes;
    std::size_t numbers[tile_rows];
    FARD_UNROLL
    for (std::size_t r = 0; r < tile_rows; ++r) {
        numbers[r] = std::min(first + r, job.row_count - 1);
        const float* from = job.start ? job.start + lane : job.out + numbers[r] * job.out_stride + lane;
        if (!job.start && !whole) from = std::copy_n(from, lanes, edge) - lanes;
        FARD_UNROLL
        for (std::size_t v = 0; v < vectors; ++v)
            sums[r][v] = Set::load(from + v * Set::lanes);
    }
    const float* panel = job.panel + lane;
    for (std::size_t t = 0; t < job.taps; ++t) {
        const float* from[tile_rows];
        FARD_UNROLL
        for (std::size_t r = 0; r < tile_rows; ++r)
            from[r] = job.rows[t * job.row_count + numbers[r]] + job.first_channel;
        for (std::size_t c = 0; c < job.channels; ++c, panel += single_panel_width) {
            typename Set::Singles weights[vectors];
            FARD_UNROLL
            for (std::size_t v = 0; v < vectors; ++v)
                weights[v] = Set::load(panel + v * Set::lanes);
            FARD_UNROLL
            for (std::size_t r = 0; r < tile_rows; ++r) {
                const auto x = Set::all(from[r] + c);
                FARD_UNROLL
                for (std::size_t v = 0; v < vectors; ++v)
                    sums[r][v] = Set::add_product(x, weights[v], sums[r][v]);
            }
        }
    }
    constexpr float zeros[16] = {};
    const auto zero = Set::all(zeros);
    FARD_UNROLL
    for (std::size_t r = 0; r < tile_rows; ++r) {
        if (first + r >= job.row_count) break;
        float* out = job.out + (first + r) * job.out_stride + lane;
        float* to = whole ? out : edge;
        FARD_UNROLL
        for (std::size_t v = 0; v < vectors; ++v)
            Set::store(to + v * Set::lanes, job.relu ? Set::larger(zero, sums[r][v]) : sums[r][v]);
        if (!whole) std::copy_n(edge, lanes, out);
    }
}

template <typename Set, std::size_t vectors>
FARD_FLOATS void single_columns(const GemmSingles& job, std::size_t lane) {
    constexpr std::size_t tile_rows = Set::rows_of(vectors);
    std::size_t first = 0;
    for (; first + tile_rows <= job.row_count; first += tile_rows)
        single_tile<Set, tile_rows, vectors>(job, first, lane);
    const auto left = job.row_count - first;
    if (left > 2)
        single_tile<Set, tile_rows, vectors>(job, first, lane);
    else if (left == 2)
        single_tile<Set, 2, vectors>(job, first, lane);
    else if (left == 1)
        single_tile<Set, 1, vectors>(job, first, lane);
}

template <typename Set>
FARD_FLOATS void gemm_singles(const GemmSingles& job) {
    for (std::size_t lane = 0; lane < job.lanes; lane += Set::most_vectors * Set::lanes) {
        const auto vectors = (std::min(job.lanes - lane, Set::most_vectors * Set::lanes) + Set::lanes - 1) / Set::lanes;
        if constexpr (Set::most_vectors > 2) {
            if (vectors == 4) single_columns<Set, 4>(job, lane);
            if (vectors == 3) single_columns<Set, 3>(job, lane);
        }
        if (vectors == 2) single_columns<Set, 2>(job, lane);
        if (vectors == 1) single_columns<Set, 1>(job, lane);
    }
}

template <typename Set>
FARD_FLOATS void depthwise_singles(const DepthwiseSingles& shared_job) {
    const DepthwiseSingles job = shared_job;
    constexpr float zeros[16] = {};
    for (std::size_t c = 0; c < job.channels; c += Set::lanes) {
        auto sum = Set::load(job.start + c);
        for (std::size_t t = 0; t < job.tap_count; ++t)
            sum = Set::add_product(Set::load(job.taps[t] + c), Set::load(job.weights + t * job.channels + c), sum);
        if (job.relu) sum = Set::larger(Set::all(zeros), sum);
        if (c + Set::lanes <= job.channels) {
            Set::store(job.out + c, sum);
        } else {
            float edge[16];
            Set::store(edge, sum);
            std::copy_n(edge, job.channels - c, job.out + c);
        }
    }
}

template <typename Set>
FARD_FLOATS void max_floats(const MaxFloats& shared_job) {
    const MaxFloats job = shared_job;
    constexpr float least[1] = {-std::numeric_limits<float>::infinity()};
    std::size_t c = 0;
    for (; c + Set::lanes <= job.channels; c += Set::lanes) {
        auto largest = Set::all(least);
        for (std::size_t t = 0; t < job.tap_count; ++t)
            largest = Set::larger(Set::load(job.taps[t] + c), largest);
        Set::store(job.out + c, largest);
    }
    for (; c < job.channels; ++c) {
        float largest = least[0];
        for (std::size_t t = 0; t < job.tap_count; ++t)
            largest = job.taps[t][c] > largest ? job.taps[t][c] : largest;
        job.out[c] = largest;
    }
}

template <typename Doubles, typename Set>
constexpr FloatKernels float_kernels_of{gemm_floats<Doubles>, depthwise_floats<Doubles>, gemm_singles<Set>, depthwise_singles<Set>,
                                        max_floats<Set>, add_floats<Doubles>};

}  // namespace
}  // namespace fard::soft
