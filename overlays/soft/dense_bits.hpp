// Dense packing of small integers, eight at a time: what DataType's wire form asks for, fast.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fard::soft {

// Eight elements of `bits` (1..8) take exactly `bits` bytes.

// Packs (codes[i] + add) modulo 2^bits; `out` has (codes.size() * bits + 7) / 8 bytes.
void gather_bits(std::span<const std::uint8_t> codes, std::uint8_t add, int bits, std::span<std::byte> out);

// Unpacks unsigned elements; `in` has (out.size() * bits + 7) / 8 bytes.
void spread_bits(std::span<const std::byte> in, int bits, std::span<std::uint8_t> out);

}  // namespace fard::soft
