#include <algorithm>
#include <limits>

#include "overlays/soft/kernels/float_kernels.hpp"

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

void gemm_singles(const GemmSingles& job) {
    for (std::size_t r = 0; r < job.row_count; ++r) {
        float* out = job.out + r * job.out_stride;
        float sums[single_panel_width] = {};
        if (job.start)
            std::copy_n(job.start, single_panel_width, sums);
        else
            std::copy_n(out, job.lanes, sums);
        const float* panel = job.panel;
        for (std::size_t t = 0; t < job.taps; ++t) {
            const float* from = job.rows[t * job.row_count + r] + job.first_channel;
            for (std::size_t c = 0; c < job.channels; ++c, panel += single_panel_width)
                for (std::size_t n = 0; n < single_panel_width; ++n)
                    sums[n] += from[c] * panel[n];
        }
        for (std::size_t n = 0; n < job.lanes; ++n)
            out[n] = job.relu && sums[n] < 0 ? 0 : sums[n];
    }
}

void depthwise_singles(const DepthwiseSingles& job) {
    for (std::size_t c = 0; c < job.channels; ++c) {
        float sum = job.start[c];
        for (std::size_t t = 0; t < job.tap_count; ++t)
            sum += job.taps[t][c] * job.weights[t * job.channels + c];
        job.out[c] = job.relu && sum < 0 ? 0 : sum;
    }
}

void max(const MaxFloats& job) {
    for (std::size_t c = 0; c < job.channels; ++c) {
        float largest = -std::numeric_limits<float>::infinity();
        for (std::size_t t = 0; t < job.tap_count; ++t)
            largest = largest < job.taps[t][c] ? job.taps[t][c] : largest;
        job.out[c] = largest;
    }
}

void add(const AddFloats& job) {
    for (std::size_t c = 0; c < job.channels; ++c)
        job.sums[c] += job.x[c];
}

}  // namespace

constexpr FloatKernels floats{gemm, depthwise, gemm_singles, depthwise_singles, max, add};

}  // namespace fard::soft::plain
