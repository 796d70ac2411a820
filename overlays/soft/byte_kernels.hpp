// The inner loops over bytes for processors that multiply u8 by s8 and add four products to 32 bits in one go
// (AVX-512 VNNI), and the same in plain C++. No sum is ever cut short or saturated: sums are 32 bits and the
// compiler of plans has proved that they fit.
//
// How a matrix product is cut:
//
//                     64 channels: one panel of weights, [groups of four k][16 * vectors][4]
//                    +-------------------------------+
//   output pixels -> | sums of a tile stay in the    |  -> Affine -> bytes of the output image
//   (row pointers)   | registers over the whole depth|  -> or 32-bit sums, for whoever counts or stores them
//                    +-------------------------------+
//
// A row is the window of one output pixel: `runs` stretches of 4 * run_groups bytes, `run_stride` bytes apart.
// A window inside an NHWC image is that without being copied (a run is one row of the kernel); so is a pixel of
// a 1x1 convolution, with one run. Windows that leave the image are copied out first (byte_matrix_step.cpp).
// The bytes of a run beyond the window's meet weights of zero.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fard::soft {

inline constexpr std::size_t byte_panel_width = 64;  // channels; the last panel has 16, 32, 48 or 64 lanes
inline constexpr std::size_t vector_width = 16;      // channels of one vector of sums

// 16-lane vectors that `lanes` channels take.
constexpr std::size_t vectors_of(std::size_t lanes) {
    return (lanes + vector_width - 1) / vector_width;
}

// What becomes of a sum: min(max(round(sum * factor + offset) + zero, low), high), where the product and the sum
// are rounded once, to float (fma), and round() is half to even. The result of round() is within 32 bits.
struct Affine {
    const float* factors = nullptr;  // by lane of the panel (Depthwise3: by its own order)
    const float* offsets = nullptr;
    std::int16_t zero = 0;
    std::uint8_t low = 0, high = 255;
};

struct GemmBytes {
    const std::uint8_t* const* rows;
    std::size_t row_count;
    std::size_t runs, run_groups, run_stride;
    const std::int8_t* panel;  // [runs * run_groups][16 * vectors_of(lanes)][4]
    std::size_t lanes;         // 1 .. 64
    // Either bytes: out[row * out_stride + lane] ...
    Affine affine;
    std::uint8_t* out;
    std::size_t out_stride;
    // ... or, where this is not nullptr, the sums: [vectors_of(lanes)][row_count][16].
    std::int32_t* sums;
};

// Channels of the block that begins where `remaining` channels are left, in Depthwise3.
constexpr std::size_t depthwise_block(std::size_t remaining) {
    return remaining > 32 ? 64 : 32;
}
// In a block of `width` channels sums lie in four vectors; the channel of `lane` of vector `vector`. (The order in
// which interleaving the bytes of four pixels leaves the channels; packing restores it.)
constexpr std::size_t depthwise_channel(std::size_t vector, std::size_t lane) {
    return lane / 4 * 16 + vector * 4 + lane % 4;
}

// A part of one row of output pixels of a depthwise convolution, three columns wide and at most four rows high.
// Bytes up to 63 behind a pixel's last channel may be read.
struct Depthwise3 {
    const std::uint8_t* const*
        lines;                    // the image row (its pixel 0) under each row of the kernel, four of them;
                                  // rows outside, and beyond the kernel's height: a row of `outside`
    const std::uint8_t* outside;  // one pixel
    std::ptrdiff_t in_width, channels;
    std::ptrdiff_t first_x,
        stride;                  // column of the first window in the image (may be outside), and to the next
    std::size_t count;           // output pixels
    const std::int8_t* weights;  // for each block: [3 columns][4 vectors][lane][4 rows]
    Affine affine;               // in the blocks' order: [block][vector][lane]
    std::uint8_t* out;           // [count][channels]
};

struct ByteKernels {
    void (*gemm)(const GemmBytes&);
    void (*depthwise3)(const Depthwise3&);
};

}  // namespace fard::soft
