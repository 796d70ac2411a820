// The element types that travel between stages, and how they lie in memory and on the wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace fard {

// An integer type of 1 to 32 bits, BIPOLAR ({-1, +1}), or FLOAT32. Names are FINN's: UINT4, INT2, BIPOLAR, FLOAT32.
class DataType {
  public:
    enum class Kind : std::uint8_t { uint, sint, bipolar, float32 };

    constexpr DataType() = default;  // FLOAT32
    static constexpr DataType uint(int bits) { return {Kind::uint, bits}; }
    static constexpr DataType sint(int bits) { return {Kind::sint, bits}; }
    static constexpr DataType bipolar() { return {Kind::bipolar, 1}; }
    static constexpr DataType float32() { return {Kind::float32, 32}; }

    // Parses a FINN type name. Errors: unsupported (a name that fard does not know, or more than 32 bits).
    static Result<DataType> parse(std::string_view name);
    std::string name() const;

    constexpr Kind kind() const { return kind_; }
    constexpr int bits() const { return bits_; }
    constexpr bool is_integer() const { return kind_ != Kind::float32; }
    std::int64_t min() const;  // smallest value; integer types only
    std::int64_t max() const;  // largest value; integer types only

    // Bits that one element takes on the wire: 1..8 dense, 9..16 as 16, 17..32 as 32, float32 as 32.
    constexpr int wire_bits() const { return bits_ <= 8 ? bits_ : bits_ <= 16 ? 16 : 32; }
    // Bytes of a whole tensor on the wire: dense across the tensor, rounded up to whole bytes once.
    constexpr std::size_t wire_bytes(std::size_t elements) const { return (elements * wire_bits() + 7) / 8; }

    friend constexpr bool operator==(DataType, DataType) = default;

  private:
    constexpr DataType(Kind kind, int bits) : kind_(kind), bits_(static_cast<std::uint8_t>(bits)) {}
    Kind kind_ = Kind::float32;
    std::uint8_t bits_ = 32;
};

// Packs integers into the wire form of `type` (little-endian, element 0 in the least significant bits, two's
// complement, BIPOLAR -1 as 0 and +1 as 1). Every value must lie in [type.min(), type.max()] (BIPOLAR: -1 or +1).
// `out` must have type.wire_bytes(values.size()) bytes. Errors: invalid_input, naming the first value out of range.
Result<> pack(DataType type, std::span<const std::int32_t> values, std::span<std::byte> out);

// The reverse of pack. `bytes` must have type.wire_bytes(out.size()) bytes; errors: corrupt.
Result<> unpack(DataType type, std::span<const std::byte> bytes, std::span<std::int32_t> out);

}  // namespace fard
