// A network of two layers of which no Zedboard holds the first: 1,024 x 1,024 weights of 4 bits are 256 BRAM18, or 65,536 LUTs; a
// Zedboard gives 224 and 37,240. It is made in parallel parts.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tests/model/onnx_maker.hpp"

namespace fard::model::test {

inline constexpr std::int64_t large_layer_inputs = 1024;

inline std::string large_layer() {
    OnnxMaker maker;
    constexpr std::int64_t wide = large_layer_inputs, few = 10, steps = 15;
    maker.input("x", {1, wide}).annotate("x", "INT5");
    std::minstd_rand random(5);
    const auto integers = [&](std::int64_t count) {
        std::vector<float> values(static_cast<std::size_t>(count));
        for (auto& value : values)
            value = static_cast<float>(static_cast<int>(random() % 16) - 8);
        return values;
    };
    maker.constant("w0", {wide, wide}, integers(wide * wide)).annotate("w0", "INT4");
    maker.node("MatMul", {"x", "w0"}, "large");
    std::vector<float> thresholds;
    for (std::int64_t row = 0; row < wide; ++row)
        for (std::int64_t step = 0; step < steps; ++step)
            thresholds.push_back(static_cast<float>((step - steps / 2) * 100 + row % 7));
    maker.constant("t", {wide, steps}, thresholds);
    maker.node("MultiThreshold", {"large", "t"}, "codes", "qonnx.custom_op.general");
    maker.constant("w1", {wide, few}, integers(wide * few)).annotate("w1", "INT4");
    maker.node("MatMul", {"codes", "w1"}, "y");
    maker.output("y");
    return maker.bytes();
}

}  // namespace fard::model::test
