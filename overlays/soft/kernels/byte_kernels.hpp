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
// The bytes of a run beyond the window's meet weights of zero. Where one byte of each run is left over (9 of three pixels of
// three channels), these may make a last group of their own instead: `tails`.
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

// What becomes of a sum: min(max(round(t) + zero, low), high), with round() half to even, within 32 bits, and t
//
//   = sum * factor + offset,                            multiplied and added with one rounding, to float (fma); or
//   = (sum + exact_add) * exact_factor + exact_offset,  each of the three rounded by itself, to double,
//
// if those are not nullptr. The first form may then be used where it lies within `sure` of a whole number: both give the
// same there.
struct Affine {
    const float* factors = nullptr;  // by lane of the panel (Depthwise3: by its own order), as the others
    const float* offsets = nullptr;
    std::int16_t zero = 0;
    std::uint8_t low = 0, high = 255;
    const double* exact_adds = nullptr;
    const double* exact_factors = nullptr;
    const double* exact_offsets = nullptr;
    float sure = 0.5F;
    // The exact form in 16 bits before and 16 behind the point, where these are not nullptr: with
    //
    //   s = round(sum * fixed_factor + fixed_offset),      by fma as above, within 32 bits,
    //
    // the result is min(max(s >> 16, low), high) wherever the lower 16 bits of s are not below `fixed_unsure`.
    const float* fixed_factors = nullptr;
    const float* fixed_offsets = nullptr;
    std::uint16_t fixed_unsure = 0;
};

// A sum of bytes in two parts (GemmBytes).
struct alignas(4) RowSum {
    std::int16_t low, high;
};

struct GemmBytes {
    const std::uint8_t* const* rows;
    std::size_t row_count;
    std::size_t runs, run_groups, run_stride;
    const std::int8_t* panel;  // [runs * run_groups + (tails ? 1 : 0)][16 * vectors_of(lanes)][4]
    std::size_t lanes;         // 1 .. 64
    // Either bytes: out[row * out_stride + lane] ...
    Affine affine;
    std::uint8_t* out;
    std::size_t out_stride;
    // ... or, where this is not nullptr, the sums: [vectors_of(lanes)][row_count][16].
    std::int32_t* sums;
    bool tails = false;  // the last group's byte i is the one behind the groups of run i; at most four runs
    // How many groups' products may be added in 16 bits, two sums for each channel (of the k with k % 4 < 2 and of the others):
    // neither these nor a pair of products leaves 16 bits. 0: not even one group's.
    std::size_t narrow_groups = 0;
    // Weights of more than 8 bits (stored with a zero point) lie in the panel less a shift of their channel, which brings them
    // within 8: what is missing from a sum is shift * row sum. Both are split so that 16-bit products make it up,
    //
    //   sum += low * factors[0] + high * factors[1],    row sum = low + high * 2^b,  factors = shift, shift * 2^b.
    //
    // nullptr: there are none.
    const RowSum* row_sums = nullptr;                // by row
    const std::int16_t (*row_factors)[2] = nullptr;  // by lane
};

// The sums of rows' bytes, which are less than 2^(15 + low_bits).
struct AddRows {
    const std::uint8_t* const* rows;
    std::size_t row_count;
    std::size_t runs, run_bytes, run_stride;  // bytes behind run_bytes do not count, but up to 63 may be read
    int low_bits;                             // b above
    RowSum* out;
};

// Codes of at most two bits leave room in a byte for those of another row. Of three rows a, b, c two are made,
//
//   x = a + 64 c,  y = c + 64 b    ->    sum(x) = A + 64 C,  sum(y) = C + 64 B,  sum(x) - 64 sum(y) = A - 4096 B
//
// and three sums come out of two products, exactly: as long as the sums A of a channel have at most 4096 different
// values, A is known from the last difference modulo 4096, then B, then C.
inline constexpr std::size_t triple_code = 3;       // the largest
inline constexpr std::int64_t triple_width = 4095;  // largest minus smallest sum of any channel
inline constexpr std::size_t triple_rows = 3, packed_rows = 2;

// Packs rows (as in GemmBytes) into [2 * triples][runs * run_groups * 4]; the last triple repeats the last row.
struct PackTriples {
    const std::uint8_t* const* rows;
    std::size_t row_count;
    std::size_t runs, run_groups, run_stride;
    std::uint8_t* packed;
};

// The product of packed rows with a panel.
struct GemmTriples {
    const std::uint8_t* packed;
    std::size_t row_count;      // not packed
    std::size_t groups;         // of four bytes in a row
    const std::int8_t* panel;   // [groups][16 * vectors_of(lanes)][4]
    const std::int32_t* least;  // by lane: the smallest possible sum
    std::size_t lanes;
    Affine affine;
    std::uint8_t* out;
    std::size_t out_stride;
    std::size_t narrow_groups = 0;  // as in GemmBytes, of packed rows
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
        stride;         // column of the first window in the image (may be outside), and to the next
    std::size_t count;  // output pixels
    // For each block of `width` channels, at 12 * planes * its first lane: [planes][3 columns][4 vectors][lane][4 rows]. The weights
    // are the sums of a block's first block_planes[number of the block] planes; the others are 0.
    const std::int8_t* weights;
    Affine affine;            // in the blocks' order: [block][vector][lane]
    std::uint8_t* out;        // [count][channels]
    bool three_rows = false;  // the kernel's height is 3 at most: the fourth line need not be read
    std::size_t planes = 1;
    const std::uint8_t* block_planes = nullptr;  // nullptr: 1 everywhere
};

// A part of one row of output pixels of a maximum pool. Outside of the image nothing wins; where a whole window is
// outside, the result is 0.
struct MaxRow {
    const std::uint8_t* const* lines;  // the image rows (their pixel 0) inside the image, under the window
    std::size_t line_count;
    std::ptrdiff_t in_width, channels;
    std::ptrdiff_t first_x, stride;    // as in Depthwise3
    std::ptrdiff_t columns, dilation;  // of the window, and from one to the next
    std::size_t count;
    std::uint8_t* out;  // [count][channels]
};

// sums[channel] += each of `pixels` pixels, in 32 bits.
struct PixelSums {
    const std::uint8_t* image;
    std::size_t pixels, channels;
    std::int32_t* sums;
};

struct ByteKernels {
    void (*gemm)(const GemmBytes&);
    void (*pack_triples)(const PackTriples&);
    void (*gemm_triples)(const GemmTriples&);
    void (*depthwise3)(const Depthwise3&);
    void (*add_rows)(const AddRows&);
    bool tails = false;  // whether gemm knows them
};

}  // namespace fard::soft
