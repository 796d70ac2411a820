// The inner loops over fractions. A product of two floats is exact in double, so that a sum of products whose order is the reference
// interpreter's is the same on every instruction set, with fused multiplication or without, and for any number of threads: what is
// stored is that sum, rounded once to float.
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

struct FloatKernels {
    void (*gemm)(const GemmFloats&);
    void (*depthwise)(const DepthwiseFloats&);
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
