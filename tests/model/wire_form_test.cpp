#include "model/wire_form.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

using namespace fard;
using namespace fard::model;

namespace {

Tensor image(DataType type, const char* declared = "FLOAT32") {
    Tensor tensor;
    tensor.name = "x";
    tensor.shape = {1, 2, 1, 3};  // two channels of three pixels
    tensor.layout = Layout::nchw;
    tensor.type = type;
    tensor.declared = declared;
    return tensor;
}

template <typename Element>
std::vector<std::byte> bytes_of_array(std::vector<Element> elements) {
    const auto bytes = std::as_bytes(std::span(elements));
    return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
    std::vector<std::byte> bytes;
    for (const int value : values)
        bytes.push_back(static_cast<std::byte>(value));
    return bytes;
}

}  // namespace

TEST_CASE("the wire has channels last, packed") {
    const auto tensor = image(DataType::uint(4));
    const Values values{{1, 2, 3, 4, 5, 6}, {}};
    std::vector<std::byte> wire(3);
    REQUIRE(values_to_wire(tensor, values, wire));
    CHECK(wire == bytes_of({0x41, 0x52, 0x63}));
    CHECK(*values_from_wire(tensor, wire) == values);
    CHECK(wire_desc(tensor) == TensorDesc{"x", {1, 1, 3, 2}, "NHWC", DataType::uint(4), "FLOAT32"});
}

TEST_CASE("a tensor that the model keeps channels last, or that is no image, stays in its order") {
    auto tensor = image(DataType::uint(4));
    for (const auto layout : {Layout::nhwc, Layout::none}) {
        tensor.layout = layout;
        std::vector<std::byte> wire(3);
        REQUIRE(values_to_wire(tensor, {{1, 2, 3, 4, 5, 6}, {}}, wire));
        CHECK(wire == bytes_of({0x21, 0x43, 0x65}));
        CHECK(wire_desc(tensor).shape == tensor.shape);
    }
}

TEST_CASE("declared arrays are in the model's order and element type") {
    const auto as_floats = image(DataType::sint(3));
    const auto wire = declared_to_wire(as_floats, bytes_of_array<float>({0, 1, 2, -1, -2, -3}));
    REQUIRE_MESSAGE(wire, wire.error().message);
    CHECK(wire->size() == 3);
    CHECK(*wire_to_declared(as_floats, *wire) == bytes_of_array<float>({0, 1, 2, -1, -2, -3}));
    const auto as_bytes = image(DataType::uint(8), "UINT8");
    CHECK(*declared_to_wire(as_bytes, bytes_of({1, 2, 3, 4, 5, 255})) == bytes_of({1, 4, 2, 5, 3, 255}));
    const auto as_words = image(DataType::sint(16), "INT32");
    CHECK(*wire_to_declared(as_words,
                            *declared_to_wire(as_words, bytes_of_array<std::int32_t>({-1, 2, 3, 4, 5, 6}))) ==
          bytes_of_array<std::int32_t>({-1, 2, 3, 4, 5, 6}));
    const auto fractions = image(DataType::float32());
    CHECK(*declared_to_wire(fractions, bytes_of_array<float>({0.5, 1, 2, 3, 4, 5})) ==
          bytes_of_array<float>({0.5, 3, 1, 4, 2, 5}));
    CHECK(*declared_bytes("INT16") == 2);
    CHECK(declared_bytes("STRING").error().fault == Fault::unsupported);
}

TEST_CASE("arrays that do not fit are refused") {
    const auto refused = [](const Tensor& tensor, const std::vector<std::byte>& array) {
        const auto wire = declared_to_wire(tensor, array);
        REQUIRE(!wire);
        CHECK(wire.error().fault == Fault::invalid_input);
        return wire.error().message;
    };
    const auto tensor = image(DataType::uint(2));
    CHECK(refused(tensor, bytes_of_array<float>({0, 1})).find("6 elements") != std::string::npos);
    CHECK(refused(tensor, bytes_of_array<float>({0, 1, 2, 3, 4, 0})).find("cannot hold 4 (element 4)") !=
          std::string::npos);
    CHECK(refused(tensor, bytes_of_array<float>({0, 0.5, 2, 3, 0, 0})).find("cannot hold 0.5") !=
          std::string::npos);
    refused(tensor, bytes_of_array<float>({0, NAN, 2, 3, 0, 0}));
    refused(tensor, bytes_of_array<float>({0, 1e30F, 2, 3, 0, 0}));
    refused(image(DataType::bipolar()), bytes_of_array<float>({1, 1, 0, 1, 1, -1}));
    CHECK(values_from_wire(tensor, bytes_of({1})).error().fault == Fault::corrupt);
    std::vector<std::byte> wire(2);
    CHECK(values_to_wire(tensor, {{1, 2}, {}}, wire).error().fault == Fault::invalid_input);
    CHECK(values_to_wire(tensor, {{0, 1, 2, 3, 4, 0}, {}}, wire).error().fault == Fault::invalid_input);
    CHECK(values_to_wire(tensor, {{0, 1, 2, 3, 3, 0}, {}}, std::span(wire).first(1)).error().fault ==
          Fault::invalid_input);
}
