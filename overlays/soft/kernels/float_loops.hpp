// The loops of float_kernels.hpp over vectors. For the sources of one instruction set each, which define FARD_FLOATS (the attribute
// that lets functions use its instructions) and have a Set:
//
//   static constexpr std::size_t lanes, rows, vectors;  of a vector; of a tile, whose sums stay in registers
//   using Doubles;
//   static Doubles load(const double*), all(double), real(const float*), fma(Doubles, Doubles, Doubles), add(Doubles, Doubles);
//   static void keep(double*, Doubles);
//   static void store(float*, Doubles, bool relu);  rounded to float; relu: 0 where that is below 0
#pragma once

#include <algorithm>

#include "overlays/soft/kernels/float_kernels.hpp"

#define FARD_FLOATS_INLINE FARD_FLOATS inline __attribute__((always_inline))
#define FARD_UNROLL _Pragma("GCC unroll 8")

namespace fard::soft {
namespace {

// `count` rows from `first` on and the channels from `lane` on; rows beyond the last are the last once more.
template <typename Set>
FARD_FLOATS void float_tile(const GemmFloats& job, std::size_t first, std::size_t lane) {
    typename Set::Doubles sums[Set::rows][Set::vectors];
    const double* from[Set::rows];
    const std::size_t depth = job.taps * job.channels;
    FARD_UNROLL
    for (std::size_t r = 0; r < Set::rows; ++r) {
        from[r] = job.rows + std::min(first + r, job.row_count - 1) * depth;
        FARD_UNROLL
        for (std::size_t v = 0; v < Set::vectors; ++v)
            sums[r][v] = Set::load(job.start + lane + v * Set::lanes);
    }
    const double* panel = job.panel + lane;
    for (std::size_t c = 0; c < job.channels; ++c)
        for (std::size_t k = c; k < depth; k += job.channels, panel += float_panel_width) {
            typename Set::Doubles weights[Set::vectors];
            FARD_UNROLL
            for (std::size_t v = 0; v < Set::vectors; ++v)
                weights[v] = Set::load(panel + v * Set::lanes);
            FARD_UNROLL
            for (std::size_t r = 0; r < Set::rows; ++r) {
                const auto x = Set::all(from[r][k]);
                FARD_UNROLL
                for (std::size_t v = 0; v < Set::vectors; ++v)
                    sums[r][v] = Set::fma(x, weights[v], sums[r][v]);
            }
        }
    alignas(64) float results[Set::vectors * Set::lanes];
    FARD_UNROLL
    for (std::size_t r = 0; r < Set::rows; ++r) {
        if (first + r >= job.row_count) break;
        FARD_UNROLL
        for (std::size_t v = 0; v < Set::vectors; ++v) {
            auto sum = sums[r][v];
            if (job.end) sum = Set::add(sum, Set::load(job.end + lane + v * Set::lanes));
            Set::store(results + v * Set::lanes, sum, job.relu);
        }
        std::copy_n(results, std::min(job.lanes - lane, Set::vectors * Set::lanes),
                    job.out + (first + r) * job.out_stride + lane);
    }
}

template <typename Set>
FARD_FLOATS void gemm_floats(const GemmFloats& job) {
    for (std::size_t lane = 0; lane < job.lanes; lane += Set::vectors * Set::lanes)
        for (std::size_t first = 0; first < job.row_count; first += Set::rows)
            float_tile<Set>(job, first, lane);
}

template <typename Set>
FARD_FLOATS void depthwise_floats(const DepthwiseFloats& shared_job) {
    const DepthwiseFloats job = shared_job;
    std::size_t c = 0;
    for (; c + Set::lanes <= job.channels; c += Set::lanes) {
        auto sum = Set::load(job.start + c);
        for (std::size_t t = 0; t < job.tap_count; ++t)
            sum = Set::fma(Set::real(job.taps[t] + c), Set::load(job.weights + t * job.channels + c), sum);
        Set::store(job.out + c, sum, job.relu);
    }
    for (; c < job.channels; ++c) {
        double sum = job.start[c];
        for (std::size_t t = 0; t < job.tap_count; ++t)
            sum += static_cast<double>(job.taps[t][c]) * job.weights[t * job.channels + c];
        const auto x = static_cast<float>(sum);
        job.out[c] = job.relu && x < 0 ? 0 : x;
    }
}

template <typename Set>
FARD_FLOATS void add_floats(const AddFloats& shared_job) {
    const AddFloats job = shared_job;
    std::size_t c = 0;
    for (; c + Set::lanes <= job.channels; c += Set::lanes)
        Set::keep(job.sums + c, Set::add(Set::load(job.sums + c), Set::real(job.x + c)));
    for (; c < job.channels; ++c)
        job.sums[c] += job.x[c];
}

}  // namespace
}  // namespace fard::soft
