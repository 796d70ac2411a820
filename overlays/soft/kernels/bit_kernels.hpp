// The inner loops over bits, for layers whose weights are -1 and 1 (or -1, 0, 1) and whose codes have one or two bits: 64 products
// by one exclusive or and one count of bits. Exact; every row of the table gives the same.
//
// With w = 2 v - 1, v a bit, the sum of b * w over the bits b of a row is |v| - |b ^ v|, where |.| counts ones. A code of two
// bits is two planes of bits, the upper counted twice. A weight of -1, 0 or 1 is half the sum of two weights of -1 and 1. Bits
// behind the last channel are 0 on both sides and count nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "overlays/soft/kernels/byte_kernels.hpp"

namespace fard::soft {

inline constexpr std::size_t bit_panel_width = 32;  // channels; the last panel has 16 or 32 lanes

// Lanes of a panel's memory.
constexpr std::size_t bit_lanes(std::size_t channels) {
    return vectors_of(channels) * vector_width;
}

// Splits bytes into planes of bits: plane p has bit first_bit + p of each byte, 64 channels of a pixel in a word, the last one
// filled up with zeros. Plane p begins at out + p * plane_stride words.
struct PackBits {
    const std::uint8_t* image;  // [pixels][channels]
    std::size_t pixels, channels;
    std::size_t first_bit, planes;
    std::uint64_t* out;  // [planes][pixels][words]
    std::size_t plane_stride;
};

// The rows are windows as in GemmBytes, but of words: `runs` stretches of run_words, run_stride words apart, in each plane.
struct GemmBits {
    const std::uint64_t* const* rows;
    std::size_t row_count;
    std::size_t runs, run_words, run_stride;
    std::size_t planes, plane_stride;
    const std::uint64_t* panel;  // [weight_planes][runs * run_words][bit_lanes(lanes)]
    std::size_t weight_planes;
    std::size_t lanes;  // 1 .. 32
    // A row's sum is (totals[lane] - differing bits, those of plane p counted 2^p times), doubled `shift` times (-1: halved).
    const std::int32_t* totals;  // [bit_lanes(lanes)]
    int shift;
    // What becomes of the sums: as in GemmBytes.
    Affine affine;
    std::uint8_t* out;
    std::size_t out_stride;
    std::int32_t* sums;
};

struct BitKernels {
    bool (*runs_here)();
    void (*pack)(const PackBits&);
    void (*gemm)(const GemmBits&);
    double rate;  // products of one bit by one bit in the time of one product of ByteKernels::gemm
};

}  // namespace fard::soft
