// How FINN's DMAs want a stream in memory, from and to our dense wire form.
//
// FINN folds a tensor (a reshape: the elements keep their order) so that its innermost extent is what one clock
// carries, and pads each such word to whole bytes:
//
//   wire    element 0, 1, 2, ... one behind the other without gaps, element 0 in the lowest bits
//   packed  word 0 (`inner` elements, likewise) | zeros to a whole byte | word 1 | ...
//
// Elements of 9 to 15 and 17 to 31 bits take 16 and 32 on the wire, and their own number in a word.
#pragma once

#include <cstddef>
#include <span>

#include "base/data_type.hpp"

namespace fard::finn {

class Packing {
  public:
    // `elements` of a whole tensor, a multiple of `inner`, both at least 1.
    Packing(DataType type, std::size_t elements, std::size_t inner);

    std::size_t wire_bytes() const { return wire_bytes_; }
    std::size_t packed_bytes() const { return words_ * word_bytes_; }
    std::size_t word_bytes() const { return word_bytes_; }

    // Both write every byte of their result; sizes are the above. Padding is written as zeros and not looked at.
    void pack(std::span<const std::byte> wire, std::span<std::byte> packed) const;
    void unpack(std::span<const std::byte> packed, std::span<std::byte> wire) const;

  private:
    DataType type_;
    std::size_t inner_, words_, word_bits_, word_bytes_, wire_bytes_;
};

}  // namespace fard::finn
