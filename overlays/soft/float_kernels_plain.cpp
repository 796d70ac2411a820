#include <algorithm>

#include "overlays/soft/float_kernels.hpp"

namespace fard::soft::plain {
namespace {

void gemm(const GemmFloats& job) {
    for (std::size_t r = 0; r < job.row_count; ++r) {
        double sums[float_panel_width];
        std::copy_n(job.start, float_panel_width, sums);
        const double* row = job.rows + r * job.depth;
        for (std::size_t k = 0; k < job.depth; ++k)
            for (std::size_t n = 0; n < float_panel_width; ++n)
                sums[n] += row[k] * job.panel[k * float_panel_width + n];
        for (std::size_t n = 0; n < job.lanes; ++n)
            job.out[r * job.out_stride + n] = static_cast<float>(job.end ? sums[n] + job.end[n] : sums[n]);
    }
}

void depthwise(const DepthwiseFloats& job) {
    for (std::size_t c = 0; c < job.channels; ++c) {
        double sum = job.start[c];
        for (std::size_t t = 0; t < job.tap_count; ++t)
            sum += static_cast<double>(job.taps[t][c]) * job.weights[t * job.channels + c];
        job.out[c] = static_cast<float>(sum);
    }
}

}  // namespace

constexpr FloatKernels floats{gemm, depthwise};

}  // namespace fard::soft::plain
