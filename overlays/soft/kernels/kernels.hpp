// The inner loops of the soft device, once per instruction set. Every row of the table gives the same results
// to the last bit, but for sums of fractions in single precision; the plain one is C++ and runs everywhere.
//
// Activations are codes: value = code + base, base <= 0 (storage.hpp). Weights lie in panels of 16 output
// channels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "overlays/soft/kernels/bit_kernels.hpp"
#include "overlays/soft/kernels/byte_kernels.hpp"

namespace fard::soft {

inline constexpr std::size_t panel_width = 16;

// One panel of a matrix product: out[r][n] = sum over k of a[r][k] * b[k][n], in 32 bits.
//
// For u8 x s8, four consecutive k of a channel lie together ([k / 4][16][4], zeros behind the last k). The
// sums may be built in 16 bits (two for each channel, of the k with k % 4 < 2 and of the others): the packer
// chose the segments so that neither a pair of products nor a sum within one segment leaves 16 bits.
struct GemmU8 {
    const std::uint8_t* a;
    std::size_t a_stride;  // bytes between rows
    std::size_t rows;
    const std::int8_t* panel;
    const std::uint32_t* segment_ends;  // in groups of four k, ascending, the last is the end of k
    std::size_t segments;
    std::int32_t* out;  // [rows][16]
};

// The same for 16-bit operands, two consecutive k together ([k / 2][16][2]); all sums are 32 bits and may
// wrap on the way.
struct GemmI16 {
    const std::int16_t* a;
    std::size_t a_stride;  // elements between rows
    std::size_t rows;
    const std::int16_t* panel;
    std::size_t pairs;  // of k
    std::int32_t* out;  // [rows][16]
};

// Counts thresholds below sums: out[r][n] = first + |{t : sums[r][n] > limits[t][n]}|, for `lanes` <= 16
// channels. `limits` are ascending for each channel.
template <typename Limit>
struct Count {
    const std::int32_t* sums;  // [rows][16]
    std::size_t rows;
    const Limit* limits;  // [steps][16]
    std::size_t steps;
    std::uint8_t first;
    std::uint8_t* out;
    std::size_t out_stride;  // bytes between rows
    std::size_t lanes;
};
using Count32 = Count<std::int32_t>;
using Count16 = Count<std::int16_t>;  // every sum and limit fits 16 bits

// Codes from sums: out[r][n] as `affine` has it, whose lanes are these 16.
struct Finish16 {
    const std::int32_t* sums;  // [rows][16]
    std::size_t rows;
    Affine affine;
    std::uint8_t* out;
    std::size_t out_stride;  // bytes between rows
    std::size_t lanes;       // <= 16
};

// One output pixel of a depthwise convolution with thresholds, all sums within 16 bits. The inputs of all
// taps may be read up to the next multiple of 16 channels.
struct Depthwise16 {
    const std::uint8_t* const* taps;  // one pixel (all channels) for each kernel position
    std::size_t tap_count;
    const std::int16_t* weights;  // [channels / 16][taps][16]
    std::size_t channels;
    const std::int16_t* limits;  // [channels / 16][steps][16]
    std::size_t steps;
    std::uint8_t first;
    std::uint8_t* out;  // one pixel, `channels` bytes
};

// One output pixel of a depthwise convolution; the sums may wrap on the way.
struct Depthwise32 {
    const std::uint8_t* const* taps;
    std::size_t tap_count;
    const std::int16_t* weights;  // as above
    std::size_t channels;
    std::int32_t* out;  // [channels / 16][16]
};

struct ElementwiseKernels;  // elementwise.hpp
struct FloatKernels;        // float_kernels.hpp

struct Kernels {
    std::string_view name;
    bool (*runs_here)();
    void (*gemm_u8)(const GemmU8&);
    void (*gemm_i16)(const GemmI16&);
    void (*count32)(const Count32&);
    void (*count16)(const Count16&);
    void (*finish16)(const Finish16&);
    void (*depthwise16)(const Depthwise16&);
    void (*depthwise32)(const Depthwise32&);
    void (*max_row)(const MaxRow&);
    void (*pixel_sums)(const PixelSums&);
    const ByteKernels* bytes;  // taken before the others where not nullptr
    const ElementwiseKernels* elementwise;
    const FloatKernels* floats;
    const BitKernels* bits = nullptr;  // taken before those where they run here and cost less (bit_form.hpp)
};

// Every row that this program was built with, the best first; the last is plain.
std::span<const Kernels> kernel_table();

// The best row that this processor runs, or the one of that name; nullptr if there is none.
const Kernels* select_kernels(std::string_view name = {});

}  // namespace fard::soft
