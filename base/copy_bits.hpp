// Bits from one place to another, wherever in their bytes they begin: what tensors of small types are cut and joined by.
#pragma once

#include <cstddef>

namespace fard {

// Copies `bits` bits from bit `from_bit` of `from` on to bit `to_bit` of `to` on (bit 0 is the least significant of byte 0);
// all other bits of `to` stay as they are. The two do not overlap.
void copy_bits(const std::byte* from, std::size_t from_bit, std::byte* to, std::size_t to_bit, std::size_t bits);

}  // namespace fard
