// The inner loops over fractions, in two precisions.
//
// Floats: a product of two floats is exact in double, so that a sum of products whose order is the reference interpreter's is the
// same on every instruction set, with fused multiplication or without, and for any number of threads: what is stored is that sum,
// rounded once to float.
//
// Singles: sums in single precision, within ONNX's tolerance of the reference. An element's products are added one behind the
// other, a tap's channels and then the next tap's, whatever is computed beside it: on one instruction set the result is the same
// for any number of threads and in any plan.
#pragma once

#include <cstddef>

namespace fard::soft {

inline constexpr std::size_t float_panel_width = 32;  // channels

// out[r][n] = start[n] + rows[r][0][0] * panel[0][0][n] + rows[r][1][0] * panel[0][1][n] + ..., added in this order: a channel's taps,
// then the next channel's; then + end[n]. Rounded to float, and, for `relu`, what is below 0 becomes 0.
struct GemmFloats {
    const double* rows;  // [row_count][taps][channels]
    std::size_t row_count, taps, channels;
    const double* panel;  // [channels][taps][float_panel_width]
    const double* start;  // [float_panel_width], as `end`
    const double* end;    // nullptr: nothing
    float* out;
    std::size_t out_stride;  // elements between rows
    std::size_t lanes;       // <= float_panel_width
    bool relu;
};

// One output pixel: out[c] = start[c] + taps[0][c] * weights[0][c] + ...; weights are [taps][channels].
struct DepthwiseFloats {
    const float* const* taps;
    std::size_t tap_count, channels;
    const double* weights;
    const double* start;
    float* out;
    bool relu;
};

inline constexpr std::size_t single_panel_width = 64;  // channels

// out[r][n] = start[n] + rows[0][r][0] * panel[0][0][n] + rows[0][r][1] * panel[0][1][n] + ...; for `relu` what is below 0 becomes 0.
struct GemmSingles {
    const float* const* rows;  // [taps][row_count]: the channels under a tap, read from `first_channel` on
    std::size_t row_count, taps, first_channel, channels;
    const float* panel;  // [taps][channels][single_panel_width], at 64 bytes
    const float* start;  // [single_panel_width]; nullptr: what lies in `out`
    float* out;
    std::size_t out_stride;  // elements between rows
    std::size_t lanes;       // <= single_panel_width
    bool relu;
};

// As DepthwiseFloats; everything that is read is read up to 15 elements further.
struct DepthwiseSingles {
    const float* const* taps;
    std::size_t tap_count, channels;
    const float* weights;
    const float* start;
    float* out;
    bool relu;
};

// out[c] = the largest of taps[...][c]; no number counts as less than any.
struct MaxFloats {
    const float* const* taps;
    std::size_t tap_count, channels;
    float* out;
};

// sums[c] += x[c]
struct AddFloats {
    double* sums;
    const float* x;
    std::size_t channels;
};

struct FloatKernels {
    void (*gemm)(const GemmFloats&);
    void (*depthwise)(const DepthwiseFloats&);
    void (*gemm_singles)(const GemmSingles&);
    void (*depthwise_singles)(const DepthwiseSingles&);
    void (*max)(const MaxFloats&);
    void (*add)(const AddFloats&);
};

namespace plain {
extern const FloatKernels floats;
}
namespace avx2 {
extern const FloatKernels floats;
}
namespace avx512 {
extern const FloatKernels floats;
}
namespace neon {
extern const FloatKernels floats;
}

}  // namespace fard::soft
