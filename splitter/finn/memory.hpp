// Block memories of Xilinx parts, as FINN's estimates count them. Widths in bits, depths in words, both at least 1.
#pragma once

#include <array>
#include <cstdint>

namespace fard::finn {

std::int64_t divide_up(std::int64_t a, std::int64_t b);

// Bits of a word that one BRAM18 port has per eight, sixteen or thirty-two data bits: MVAU and FIFO use the parity bits,
// VVAU does not.
enum class Parity { used, unused };

// BRAM18s of a memory. Source: FINN's table of aspect ratios (MVAU, VVAU and StreamingFIFO).
std::int64_t bram18_of(std::int64_t width, std::int64_t depth, Parity parity = Parity::used);

// The width that a BRAM18 of at least this depth has; 1 beyond 8,192. Source: ConvolutionInputGenerator.
std::int64_t bram18_width(std::int64_t depth);

std::int64_t uram_of(std::int64_t width, std::int64_t depth);  // of 72 x 4,096

// The memory primitive that wastes the fewest bits.
enum class Primitive { uram, bram18, lutram };
struct Pick {
    Primitive primitive = Primitive::lutram;
    std::int64_t count = 0;
};
struct Allowed {
    bool uram = true, bram18 = true, lutram = true;
};
// At least one is allowed. Of equals the first in the order above. Source: Thresholding_rtl.
Pick least_waste(std::int64_t width, std::int64_t depth, Allowed allowed);

}  // namespace fard::finn
