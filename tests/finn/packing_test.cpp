#include "overlays/finn/packing.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace fard;
using finn::Packing;

namespace {

// FINN's rule, element by element and bit by bit.
std::vector<std::byte> by_the_book(DataType type, const std::vector<std::int32_t>& values, std::size_t inner) {
    std::vector<std::byte> out;
    for (std::size_t word = 0; word < values.size() / inner; ++word) {
        std::vector<bool> bits;
        for (std::size_t i = 0; i < inner; ++i) {
            const auto value = values[word * inner + i];
            const auto code = type.kind() == DataType::Kind::bipolar ? std::uint32_t(value > 0) : static_cast<std::uint32_t>(value);
            for (int b = 0; b < type.bits(); ++b) bits.push_back(code >> b & 1);
        }
        while (bits.size() % 8 != 0) bits.push_back(false);
        for (std::size_t at = 0; at < bits.size(); at += 8) {
            unsigned byte = 0;
            for (unsigned b = 0; b < 8; ++b) byte |= unsigned(bits[at + b]) << b;
            out.push_back(static_cast<std::byte>(byte));
        }
    }
    return out;
}

std::vector<std::int32_t> random_values(DataType type, std::size_t count, std::mt19937& random) {
    std::vector<std::int32_t> values(count);
    for (auto& value : values) {
        if (type.kind() == DataType::Kind::bipolar) value = random() % 2 ? 1 : -1;
        else if (type == DataType::uint(32)) value = static_cast<std::int32_t>(random());
        else value = static_cast<std::int32_t>(std::uniform_int_distribution<std::int64_t>(type.min(), type.max())(random));
    }
    return values;
}

}  // namespace

TEST_CASE("packing is FINN's for every type, folding and length, and comes back") {
    std::mt19937 random(7);
    std::vector<DataType> types{DataType::bipolar()};
    for (int bits = 1; bits <= 32; ++bits) {
        types.push_back(DataType::uint(bits));
        if (bits > 1) types.push_back(DataType::sint(bits));
    }
    for (const auto type : types)
        for (const std::size_t elements : {1u, 2u, 7u, 8u, 9u, 24u, 60u, 64u, 144u, 784u})
            for (std::size_t inner = 1; inner <= elements; ++inner) {
                if (elements % inner != 0) continue;
                const auto values = random_values(type, elements, random);
                std::vector<std::byte> wire(type.wire_bytes(elements));
                REQUIRE(pack(type, values, wire));
                const Packing packing(type, elements, inner);
                CAPTURE(type.name());
                CAPTURE(elements);
                CAPTURE(inner);
                REQUIRE(packing.wire_bytes() == wire.size());
                const auto expected = by_the_book(type, values, inner);
                REQUIRE(packing.packed_bytes() == expected.size());
                std::vector<std::byte> packed(expected.size(), std::byte{0xee}), back(wire.size(), std::byte{0xee});
                packing.pack(wire, packed);
                REQUIRE(packed == expected);
                packing.unpack(packed, back);
                REQUIRE(back == wire);
            }
}

TEST_CASE("what hardware leaves in the padding is not looked at") {
    const Packing packing(DataType::uint(2), 6, 3);
    std::vector<std::byte> packed{std::byte{0xe4}, std::byte{0xdb}}, wire(2);
    packing.unpack(packed, wire);
    CHECK(wire[0] == std::byte{0xe4});
    CHECK(wire[1] == std::byte{0x06});
}

TEST_CASE("floats are carried as they are") {
    const Packing packing(DataType::float32(), 10, 5);
    std::vector<std::byte> wire(40), packed(40), back(40);
    for (std::size_t i = 0; i < 40; ++i) wire[i] = static_cast<std::byte>(i);
    packing.pack(wire, packed);
    packing.unpack(packed, back);
    CHECK(packed == wire);
    CHECK(back == wire);
}
