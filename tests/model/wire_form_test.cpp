#include "model/wire_form.hpp"

#include <doctest/doctest.h>

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

TEST_CASE("tensors that do not fit are refused") {
    const auto tensor = image(DataType::uint(2));
    CHECK(values_from_wire(tensor, bytes_of({1})).error().fault == Fault::corrupt);
    std::vector<std::byte> wire(2);
    CHECK(values_to_wire(tensor, {{1, 2}, {}}, wire).error().fault == Fault::invalid_input);
    CHECK(values_to_wire(tensor, {{0, 1, 2, 3, 4, 0}, {}}, wire).error().fault == Fault::invalid_input);
    CHECK(values_to_wire(tensor, {{0, 1, 2, 3, 3, 0}, {}}, std::span(wire).first(1)).error().fault ==
          Fault::invalid_input);
}
