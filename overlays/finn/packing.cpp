#include "overlays/finn/packing.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>

#include "base/copy_bits.hpp"
#include "overlays/finn/bit_stream.hpp"
#include "overlays/soft/dense_bits.hpp"

namespace fard::finn {
namespace {

static_assert(std::endian::native == std::endian::little);

std::uint32_t widened(DataType type, std::uint32_t code) {
    if (type.kind() != DataType::Kind::sint) return code;
    const int unused = 32 - type.bits();
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(code << unused) >> unused);
}

std::span<const std::uint8_t> as_codes(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}
std::span<std::uint8_t> as_codes(std::span<std::byte> bytes) {
    return {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

Packing::Packing(DataType type, std::size_t elements, std::size_t inner)
    : type_(type),
      inner_(inner),
      words_(elements / inner),
      word_bits_(inner * static_cast<std::size_t>(type.bits())),
      word_bytes_((word_bits_ + 7) / 8),
      wire_bytes_(type.wire_bytes(elements)) {
    assert(inner > 0 && elements > 0 && elements % inner == 0);
}

void Packing::pack(std::span<const std::byte> wire, std::span<std::byte> packed) const {
    assert(wire.size() == wire_bytes() && packed.size() == packed_bytes());
    const bool same_elements = type_.wire_bits() == type_.bits();
    if (same_elements && word_bits_ % 8 == 0) {
        std::ranges::copy(wire, packed.begin());
        return;
    }
    if (same_elements && word_bits_ < 8) {
        soft::spread_bits(wire, static_cast<int>(word_bits_), as_codes(packed));
        return;
    }
    if (same_elements) {
        std::ranges::fill(packed, std::byte{0});
        for (std::size_t word = 0; word < words_; ++word)
            copy_bits(wire.data(), word * word_bits_, packed.data(), word * word_bytes_ * 8, word_bits_);
        return;
    }
    BitReader from(wire);
    BitWriter to(packed);
    for (std::size_t word = 0; word < words_; ++word) {
        for (std::size_t i = 0; i < inner_; ++i) to.put(from.take(type_.wire_bits()), type_.bits());
        to.align();
    }
    to.finish();
}

void Packing::unpack(std::span<const std::byte> packed, std::span<std::byte> wire) const {
    assert(wire.size() == wire_bytes() && packed.size() == packed_bytes());
    const bool same_elements = type_.wire_bits() == type_.bits();
    if (same_elements && word_bits_ % 8 == 0) {
        std::ranges::copy(packed, wire.begin());
        return;
    }
    if (same_elements && word_bits_ < 8) {
        soft::gather_bits(as_codes(packed), 0, static_cast<int>(word_bits_), wire);
        return;
    }
    if (same_elements) {
        std::ranges::fill(wire, std::byte{0});
        for (std::size_t word = 0; word < words_; ++word)
            copy_bits(packed.data(), word * word_bytes_ * 8, wire.data(), word * word_bits_, word_bits_);
        return;
    }
    BitReader from(packed);
    BitWriter to(wire);
    for (std::size_t word = 0; word < words_; ++word) {
        for (std::size_t i = 0; i < inner_; ++i) to.put(widened(type_, from.take(type_.bits())), type_.wire_bits());
        from.align();
    }
    to.finish();
}

}  // namespace fard::finn
