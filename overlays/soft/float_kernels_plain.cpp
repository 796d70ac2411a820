#include <algorithm>

#include "overlays/soft/float_kernels.hpp"

namespace fard::soft::plain {
namespace {

float stored(double sum, bool relu) {
    const auto x = static_cast<float>(sum);
    return relu && x < 0 ? 0 : x;
}

void gemm(const GemmFloats& job) {
    for (std::size_t r = 0; r < job.row_count; ++r) {
        double sums[float_panel_width];
        std::copy_n(job.start, float_panel_width, sums);
        const double* row = job.rows + r * job.taps * job.channels;
        const double* panel = job.panel;
        for (std::size_t c = 0; c < job.channels; ++c)
            for (std::size_t t = 0; t < job.taps; ++t, panel += float_panel_width)
                for (std::size_t n = 0; n < float_panel_width; ++n)
                    sums[n] += row[t * job.channels + c] * panel[n];
        for (std::size_t n = 0; n < job.lanes; ++n)
            job.out[r * job.out_stride + n] = stored(job.end ? sums[n] + job.end[n] : sums[n], job.relu);
    }
}

void depthwise(const DepthwiseFloats& job) {
    for (std::size_t c = 0; c < job.channels; ++c) {
        double sum = job.start[c];
        for (std::size_t t = 0; t < job.tap_count; ++t)
            sum += static_cast<double>(job.taps[t][c]) * job.weights[t * job.channels + c];
        job.out[c] = stored(sum, job.relu);
    }
}

}  // namespace

constexpr FloatKernels floats{gemm, depthwise};

}  // namespace fard::soft::plain
