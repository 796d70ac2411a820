#include "base/copy_bits.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace fard {
namespace {

// Up to 8 bits from a bit of `from` on; reads no byte that has none of them.
std::uint32_t some_bits(const std::byte* from, std::size_t bit, std::size_t count) {
    const auto offset = bit % 8;
    auto value = std::to_integer<std::uint32_t>(from[bit / 8]) >> offset;
    if (offset + count > 8) value |= std::to_integer<std::uint32_t>(from[bit / 8 + 1]) << (8 - offset);
    return value & ((1u << count) - 1);
}

// Up to 8 bits that lie within one byte of `to`.
void put_bits(std::byte* to, std::size_t bit, std::size_t count, std::uint32_t value) {
    const auto offset = bit % 8;
    const auto mask = ((1u << count) - 1) << offset;
    auto& byte = to[bit / 8];
    byte = static_cast<std::byte>((std::to_integer<std::uint32_t>(byte) & ~mask) | (value << offset & mask));
}

// Whole bytes of `to`, from bytes of `from` that are shifted by 1 to 7 bits.
void copy_shifted(const std::byte* from, std::size_t shift, std::byte* to, std::size_t bytes) {
    std::size_t i = 0;
    for (; i + 8 <= bytes; i += 8) {  // reads byte i + 8, which has bits of byte i + 7 of the result
        std::uint64_t word = 0;
        std::memcpy(&word, from + i, 8);
        word = word >> shift | std::to_integer<std::uint64_t>(from[i + 8]) << (64 - shift);
        std::memcpy(to + i, &word, 8);
    }
    for (; i < bytes; ++i)
        to[i] = static_cast<std::byte>(std::to_integer<std::uint32_t>(from[i]) >> shift |
                                       std::to_integer<std::uint32_t>(from[i + 1]) << (8 - shift));
}

}  // namespace

void copy_bits(const std::byte* from, std::size_t from_bit, std::byte* to, std::size_t to_bit, std::size_t bits) {
    if (const auto head = std::min(bits, (8 - to_bit % 8) % 8); head > 0) {
        put_bits(to, to_bit, head, some_bits(from, from_bit, head));
        from_bit += head, to_bit += head, bits -= head;
    }
    const auto bytes = bits / 8;
    if (bytes > 0 && from_bit % 8 == 0)
        std::memcpy(to + to_bit / 8, from + from_bit / 8, bytes);
    else if (bytes > 0)
        copy_shifted(from + from_bit / 8, from_bit % 8, to + to_bit / 8, bytes);
    if (const auto tail = bits % 8; tail > 0)
        put_bits(to, to_bit + bytes * 8, tail, some_bits(from, from_bit + bytes * 8, tail));
}

}  // namespace fard
