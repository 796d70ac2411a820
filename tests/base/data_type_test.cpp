#include "base/data_type.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace fard;

TEST_CASE("type names parse to what they print") {
    for (const char* name : {"UINT1", "UINT4", "UINT8", "INT2", "INT24", "INT32", "UINT32", "BIPOLAR", "FLOAT32"})
        CHECK(DataType::parse(name).value().name() == name);
    for (const char* name : {"", "INT", "INT0", "INT33", "UINT-1", "INT4x", "FLOAT16"})
        CHECK(DataType::parse(name).error().fault == Fault::unsupported);
}

TEST_CASE("wire sizes are dense over the whole tensor") {
    CHECK(DataType::uint(4).wire_bytes(401408 * 2) == 401408);
    CHECK(DataType::uint(2).wire_bytes(256) == 64);  // the cut of CnvW2A2 after its last convolution
    CHECK(DataType::sint(3).wire_bytes(3) == 2);
    CHECK(DataType::sint(10).wire_bytes(3) == 6);
    CHECK(DataType::sint(24).wire_bytes(10) == 40);
    CHECK(DataType::float32().wire_bytes(2) == 8);
}

TEST_CASE("element 0 lies in the least significant bits") {
    const std::int32_t values[] = {1, 2, 3, 0, 3};
    std::byte bytes[2];
    REQUIRE(pack(DataType::uint(2), values, bytes));
    CHECK(std::to_integer<int>(bytes[0]) == 0b00111001);
    CHECK(std::to_integer<int>(bytes[1]) == 0b00000011);
    const std::int32_t signs[] = {-1, 1, 1};
    std::byte byte[1];
    REQUIRE(pack(DataType::bipolar(), signs, byte));
    CHECK(std::to_integer<int>(byte[0]) == 0b110);
}

TEST_CASE("every type survives packing and unpacking") {
    std::mt19937 random(1);
    std::vector<DataType> types{DataType::bipolar()};
    for (int bits = 1; bits <= 32; ++bits) {
        types.push_back(DataType::sint(bits));
        if (bits < 32) types.push_back(DataType::uint(bits));
    }
    for (const auto type : types)
        for (const std::size_t count : {0u, 1u, 7u, 8u, 33u}) {
            std::vector<std::int32_t> values(count), back(count);
            for (auto& value : values) {
                std::uniform_int_distribution<std::int64_t> draw(type.min(), type.max());
                value = type == DataType::bipolar() ? (draw(random) > 0 ? 1 : -1) : static_cast<std::int32_t>(draw(random));
            }
            std::vector<std::byte> bytes(type.wire_bytes(count));
            REQUIRE(pack(type, values, bytes));
            REQUIRE(unpack(type, bytes, back));
            CHECK_MESSAGE(values == back, type.name());
        }
}

TEST_CASE("values and sizes that do not fit are refused by name") {
    const std::int32_t values[] = {0, 4};
    std::byte bytes[1];
    const auto packed = pack(DataType::uint(2), values, bytes);
    CHECK(packed.error().message == "element 1 is 4, outside of UINT2");
    std::vector<std::byte> short_of(1);
    std::vector<std::int32_t> out(5);
    CHECK(unpack(DataType::uint(2), short_of, out).error().fault == Fault::corrupt);
}
