// Each operator by itself, on numbers that can be checked by hand.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

using Numbers = std::vector<double>;

// A network of one node "y" (and what `prepare` adds) on the input "x".
Model network(const Extents& shape, const char* type, const std::function<void(OnnxMaker&)>& prepare,
              int opset = 13) {
    OnnxMaker maker(opset);
    maker.input("x", shape);
    if (type != nullptr) maker.annotate("x", type);
    prepare(maker);
    maker.output("y");
    auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    return *model;
}

const Tensor& result(const Model& model) {
    return model.graph()[model.graph().outputs[0]];
}

void check_close(const Numbers& got, const Numbers& wanted) {
    REQUIRE(got.size() == wanted.size());
    for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(got[i] == doctest::Approx(wanted[i]));
}

const Numbers nine{1, 2, 3, 4, 5, 6, 7, 8, 9};

}  // namespace

TEST_CASE("Add, Sub, Mul broadcast, and integers stay integers") {
    const auto two = [](const char* op, std::vector<float> values) {
        return [=](OnnxMaker& maker) {
            maker.constant("c", {2, 1}, values);
            maker.node(op, {"x", "c"}, "y");
        };
    };
    const auto sum = network({1, 3}, "UINT2", two("Add", {10, -1}));
    CHECK(run(sum, {0, 1, 3}) == Numbers{10, 11, 13, -1, 0, 2});
    CHECK(result(sum).type == DataType::sint(5));
    CHECK(result(sum).range == Range{-1, 13});
    CHECK(result(sum).shape == Shape{2, 3});
    const auto difference = network({1, 3}, "UINT2", two("Sub", {1, 0}));
    CHECK(run(difference, {0, 1, 3}) == Numbers{-1, 0, 2, 0, 1, 3});
    CHECK(result(difference).range == Range{-1, 3});
    const auto product = network({1, 3}, "INT3", two("Mul", {2, -3}));
    CHECK(run(product, {-4, 1, 3}) == Numbers{-8, 2, 6, 12, -3, -9});
    CHECK(result(product).range == Range{-9, 12});
    const auto fractions = network({1, 3}, "INT3", two("Mul", {0.5, 1}));
    CHECK(run(fractions, {-4, 1, 3}) == Numbers{-2, 0.5, 1.5, -4, 1, 3});
    CHECK(result(fractions).type == DataType::float32());
}

TEST_CASE("Div yields fractions") {
    const auto model = network({3}, "INT4", [](OnnxMaker& maker) {
        maker.constant("c", {}, {4});
        maker.node("Div", {"x", "c"}, "y");
    });
    CHECK(run(model, {-4, 1, 6}) == Numbers{-1, 0.25, 1.5});
    CHECK(result(model).type == DataType::float32());
}

TEST_CASE("Relu, Identity and Cast") {
    const auto relu = network({4}, "INT4", [](OnnxMaker& maker) { maker.node("Relu", {"x"}, "y"); });
    CHECK(run(relu, {-8, -1, 0, 7}) == Numbers{0, 0, 0, 7});
    CHECK(result(relu).type == DataType::uint(3));
    const auto copy = network({2}, "BIPOLAR", [](OnnxMaker& maker) { maker.node("Identity", {"x"}, "y"); });
    CHECK(run(copy, {-1, 1}) == Numbers{-1, 1});
    CHECK(result(copy).type == DataType::sint(2));  // not annotated: INT2 holds it
    OnnxMaker maker;
    maker.input("x", {2}, onnx::TensorProto::UINT8).output("y");
    set(maker.node("Cast", {"x"}, "y"), "to", onnx::TensorProto::FLOAT);
    const auto cast = maker.import();
    REQUIRE_MESSAGE(cast, cast.error().message);
    CHECK(cast->inputs()[0].declared == "UINT8");
    CHECK(cast->outputs()[0] == TensorDesc{"y", {2}, "", DataType::uint(8), "FLOAT32"});
    CHECK(run(*cast, {3, 255}) == Numbers{3, 255});
}

TEST_CASE("Conv with padding, strides and bias") {
    const auto model = network({1, 1, 3, 3}, "UINT4", [](OnnxMaker& maker) {
        maker.constant("w", {2, 1, 3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, -2, 0, 0, 0, 0})
            .constant("b", {2}, {100, 1});
        auto& node = maker.node("Conv", {"x", "w", "b"}, "y");
        set(node, "pads", Extents{1, 1, 1, 1});
        set(node, "strides", Extents{2, 2});
    });
    CHECK(result(model).shape == Shape{1, 2, 2, 2});
    CHECK(run(model, nine) == Numbers{112, 116, 124, 128, -1, -5, -13, -17});
    CHECK(result(model).range == Range{-29, 235});
}

TEST_CASE("Conv in groups, dilated, unevenly padded") {
    const auto depthwise = network({1, 2, 2, 2}, "UINT4", [](OnnxMaker& maker) {
        maker.constant("w", {2, 1, 1, 1}, {3, -1});
        set(maker.node("Conv", {"x", "w"}, "y"), "group", 2);
    });
    CHECK(run(depthwise, {1, 2, 3, 4, 5, 6, 7, 8}) == Numbers{3, 6, 9, 12, -5, -6, -7, -8});
    const auto dilated = network({1, 1, 3, 3}, "UINT4", [](OnnxMaker& maker) {
        maker.constant("w", {1, 1, 2, 2}, {1, 10, 100, 1000});
        set(maker.node("Conv", {"x", "w"}, "y"), "dilations", Extents{2, 2});
    });
    CHECK(run(dilated, nine) == Numbers{9731});
    const auto uneven = network({1, 1, 1, 3}, "UINT4", [](OnnxMaker& maker) {
        maker.constant("w", {1, 1, 1, 2}, {1, 10});
        set(maker.node("Conv", {"x", "w"}, "y"), "pads", Extents{0, 2, 0, 0});
    });
    CHECK(run(uneven, {1, 2, 3}) == Numbers{0, 10, 21, 32});
    const auto same = network({1, 1, 1, 3}, "UINT4", [](OnnxMaker& maker) {
        maker.constant("w", {1, 1, 1, 2}, {1, 10});
        set(maker.node("Conv", {"x", "w"}, "y"), "auto_pad", "SAME_UPPER");
    });
    CHECK(run(same, {1, 2, 3}) == Numbers{21, 32, 3});
    const auto fractions = network({1, 1, 1, 3}, nullptr, [](OnnxMaker& maker) {
        maker.constant("w", {1, 1, 1, 2}, {0.5, 1});
        maker.node("Conv", {"x", "w"}, "y");
    });
    CHECK(run(fractions, {1, 2, 3.5}) == Numbers{2.5, 4.5});
}

TEST_CASE("MaxPool ignores padding, and knows ceil_mode") {
    const auto padded = network({1, 1, 3, 3}, "INT5", [](OnnxMaker& maker) {
        auto& node = maker.node("MaxPool", {"x"}, "y");
        set(node, "kernel_shape", Extents{2, 2});
        set(node, "strides", Extents{2, 2});
        set(node, "pads", Extents{1, 1, 0, 0});
    });
    CHECK(run(padded, {-1, -2, -3, -4, -5, -6, -7, -8, -9}) == Numbers{-1, -2, -4, -5});
    CHECK(result(padded).type == DataType::sint(5));
    const auto ceiled = network({1, 1, 3, 3}, "INT5", [](OnnxMaker& maker) {
        auto& node = maker.node("MaxPool", {"x"}, "y");
        set(node, "kernel_shape", Extents{2, 2});
        set(node, "strides", Extents{2, 2});
        set(node, "ceil_mode", 1);
    });
    CHECK(run(ceiled, nine) == Numbers{5, 6, 8, 9});
}

TEST_CASE("AveragePool and GlobalAveragePool") {
    const auto pool = [](int counted) {
        return network({1, 1, 3, 3}, "UINT4", [=](OnnxMaker& maker) {
            auto& node = maker.node("AveragePool", {"x"}, "y");
            set(node, "kernel_shape", Extents{2, 2});
            set(node, "strides", Extents{2, 2});
            set(node, "pads", Extents{1, 1, 0, 0});
            set(node, "count_include_pad", counted);
        });
    };
    CHECK(run(pool(0), nine) == Numbers{1, 2.5, 5.5, 7});
    CHECK(run(pool(1), nine) == Numbers{0.25, 1.25, 2.75, 7});
    const auto global =
        network({1, 2, 1, 2}, "UINT4", [](OnnxMaker& maker) { maker.node("GlobalAveragePool", {"x"}, "y"); });
    CHECK(run(global, {1, 2, 3, 5}) == Numbers{1.5, 4});
    CHECK(result(global).shape == Shape{1, 2, 1, 1});
}

TEST_CASE("MatMul in its ranks") {
    const auto vector = network({3}, "UINT2", [](OnnxMaker& maker) {
        maker.constant("w", {3, 2}, {1, -1, 1, 0, 1, 2});
        maker.node("MatMul", {"x", "w"}, "y");
    });
    CHECK(run(vector, {1, 2, 3}) == Numbers{6, 5});
    CHECK(result(vector).shape == Shape{2});
    CHECK(result(vector).range == Range{-3, 9});
    const auto batched = network({2, 1, 2}, "UINT2", [](OnnxMaker& maker) {
        maker.constant("w", {2, 2, 1}, {1, 10, 100, 1000});
        maker.node("MatMul", {"x", "w"}, "y");
    });
    CHECK(run(batched, {1, 2, 3, 1}) == Numbers{21, 1300});
    const auto square = network({2, 2}, "INT4", [](OnnxMaker& maker) {
        maker.node("MatMul", {"x", "x"}, "y");
    });
    CHECK(run(square, {1, 2, 3, 4}) == Numbers{7, 10, 15, 22});
    CHECK(result(square).range == Range{-112, 128});
}

TEST_CASE("Gemm transposes, scales and adds") {
    const auto model = network({2, 1}, "UINT4", [](OnnxMaker& maker) {
        maker.constant("w", {3, 2}, {1, 2, 3, 4, 5, 6}).constant("c", {3}, {1, 0, -1});
        auto& node = maker.node("Gemm", {"x", "w", "c"}, "y");
        set(node, "transA", 1);
        set(node, "transB", 1);
        set(node, "alpha", 2.0);
        set(node, "beta", 10.0);
    });
    CHECK(run(model, {1, 10}) == Numbers{52, 86, 120});
    CHECK(result(model).range == Range{-10, 340});
    const auto halved = network({1, 2}, "UINT4", [](OnnxMaker& maker) {
        maker.constant("w", {2, 1}, {1, 2});
        set(maker.node("Gemm", {"x", "w"}, "y"), "alpha", 0.5);
    });
    CHECK(run(halved, {1, 1}) == Numbers{1.5});
}

TEST_CASE("MultiThreshold counts the thresholds that are reached") {
    const auto thresholds = [](const Extents& shape, std::vector<float> values, const char* layout,
                               double scale, double bias) {
        return [=](OnnxMaker& maker) {
            maker.constant("t", shape, values);
            auto& node = maker.node("MultiThreshold", {"x", "t"}, "y", "qonnx.custom_op.general");
            set(node, "data_layout", layout);
            set(node, "out_dtype", "UINT2");
            set(node, "out_scale", scale);
            set(node, "out_bias", bias);
        };
    };
    const auto channels = network({1, 2, 1, 2}, "INT8", thresholds({2, 2}, {0, 5, -3, 100}, "NCHW", 1, 0));
    CHECK(run(channels, {-1, 5, -3, 100}) == Numbers{0, 2, 1, 2});
    CHECK(result(channels).type == DataType::uint(2));
    const auto last = network({1, 1, 2, 2}, "INT8", thresholds({2, 2}, {0, 5, -3, 100}, "NHWC", 1, 0));
    CHECK(run(last, {-1, -3, 5, 100}) == Numbers{0, 1, 2, 2});
    CHECK(last.outputs()[0].shape == std::vector<std::int64_t>{1, 1, 2, 2});
    const auto unsorted = network({1, 3}, "INT8", thresholds({1, 3}, {5, 0, 5}, "NC", 2, -3));
    CHECK(run(unsorted, {-1, 0, 5}) == Numbers{-3, -1, 3});
    CHECK(result(unsorted).range == Range{-3, 3});
    const auto halves = network({1, 2}, "INT8", thresholds({1, 1}, {0.5}, "NC", 1, 0));
    CHECK(run(halves, {0, 1}) == Numbers{0, 1});
    const auto scaled = network({1, 2}, nullptr, thresholds({1, 1}, {0.25}, "NC", 0.5, 0.25));
    CHECK(run(scaled, {0, 0.25}) == Numbers{0.25, 0.75});
    CHECK(result(scaled).type == DataType::float32());
}

TEST_CASE("a bipolar annotation holds where every value is -1 or 1") {
    const auto signs = [](double scale) {
        return network({1, 3}, "INT8", [=](OnnxMaker& maker) {
            maker.constant("t", {1, 1}, {0}).annotate("y", "BIPOLAR").annotate("s", "BIPOLAR");
            auto& node = maker.node("MultiThreshold", {"x", "t"}, "s", "qonnx.custom_op.general");
            set(node, "out_scale", scale);
            set(node, "out_bias", -1.0);
            maker.node("Flatten", {"s"}, "y");
        });
    };
    CHECK(result(signs(2)).type == DataType::bipolar());
    CHECK(run(signs(2), {-5, 0, 1}) == Numbers{-1, 1, 1});
    CHECK(result(signs(1)).type == DataType::sint(1));  // -1 and 0
}

TEST_CASE("Flatten, Reshape, Transpose and Concat move elements") {
    const Numbers eight{0, 1, 2, 3, 4, 5, 6, 7};
    const auto flat =
        network({1, 2, 2, 2}, "UINT3", [](OnnxMaker& maker) { maker.node("Flatten", {"x"}, "y"); });
    CHECK(run(flat, eight) == eight);
    CHECK(result(flat).shape == Shape{1, 8});
    CHECK(flat.outputs()[0].layout == "NC");
    const auto shaped = network({1, 2, 2, 2}, "UINT3", [](OnnxMaker& maker) {
        maker.integers("s", {3}, {0, -1, 4});
        maker.node("Reshape", {"x", "s"}, "y");
    });
    CHECK(run(shaped, eight) == eight);
    CHECK(result(shaped).shape == Shape{1, 2, 4});
    CHECK(shaped.graph().nodes[0].inputs.size() == 1);
    const auto turned = network({1, 2, 2, 2}, "UINT3", [](OnnxMaker& maker) {
        set(maker.node("Transpose", {"x"}, "y"), "perm", Extents{0, 2, 3, 1});
    });
    CHECK(run(turned, eight) == Numbers{0, 4, 1, 5, 2, 6, 3, 7});
    CHECK(result(turned).layout == Layout::nhwc);
    const auto reversed =
        network({2, 3}, "UINT3", [](OnnxMaker& maker) { maker.node("Transpose", {"x"}, "y"); });
    CHECK(run(reversed, {0, 1, 2, 3, 4, 5}) == Numbers{0, 3, 1, 4, 2, 5});
    const auto joined = network({2, 2}, "UINT3", [](OnnxMaker& maker) {
        maker.constant("c", {2, 1}, {-1, -2});
        set(maker.node("Concat", {"x", "c", "x"}, "y"), "axis", -1);
    });
    CHECK(run(joined, {0, 1, 2, 3}) == Numbers{0, 1, -1, 0, 1, 2, 3, -2, 2, 3});
    CHECK(result(joined).range == Range{-2, 7});
    const auto mixed = network({1, 2}, "UINT3", [](OnnxMaker& maker) {
        maker.constant("c", {1, 1}, {0.5});
        set(maker.node("Concat", {"x", "c"}, "y"), "axis", 1);
    });
    CHECK(run(mixed, {6, 7}) == Numbers{6, 7, 0.5});
}

TEST_CASE("ReduceSum over its axes, as attribute and as operand") {
    const auto by_attribute = [](OnnxMaker& maker) {
        auto& node = maker.node("ReduceSum", {"x"}, "y");
        set(node, "axes", Extents{-1, 2});
        set(node, "keepdims", 0);
    };
    const auto old = network({1, 2, 2, 2}, "UINT3", by_attribute, 11);
    CHECK(run(old, {0, 1, 2, 3, 4, 5, 6, 7}) == Numbers{6, 22});
    CHECK(result(old).shape == Shape{1, 2});
    CHECK(result(old).range == Range{0, 28});
    const auto by_operand = network({2, 2}, "UINT3", [](OnnxMaker& maker) {
        maker.integers("axes", {1}, {0});
        maker.node("ReduceSum", {"x", "axes"}, "y");
    });
    CHECK(run(by_operand, {0, 1, 2, 3}) == Numbers{2, 4});
    CHECK(result(by_operand).shape == Shape{1, 2});
}

TEST_CASE("Softmax along one dimension, or in old opsets over all from it on") {
    const auto along = network({2, 2, 2}, nullptr,
                               [](OnnxMaker& maker) { set(maker.node("Softmax", {"x"}, "y"), "axis", 1); });
    const double low = 1 / (1 + std::exp(2.0)), high = 1 - low;
    check_close(run(along, {0, 5, 2, 7, 1, 1, 3, 3}), {low, low, high, high, low, low, high, high});
    const auto flat = network(
        {2, 1, 2}, nullptr, [](OnnxMaker& maker) { maker.node("Softmax", {"x"}, "y"); }, 11);
    check_close(run(flat, {0, 2, 1000, 1002}), {low, high, low, high});
}

TEST_CASE("BatchNormalization") {
    const auto model = network({1, 2, 1, 2}, nullptr, [](OnnxMaker& maker) {
        maker.constant("s", {2}, {2, 1})
            .constant("b", {2}, {1, 0})
            .constant("m", {2}, {1, 2})
            .constant("v", {2}, {4, 0.25});
        set(maker.node("BatchNormalization", {"x", "s", "b", "m", "v"}, "y"), "epsilon", 0.0);
    });
    check_close(run(model, {1, 3, 2, 3}), {1, 3, 0, 2});
}

TEST_CASE("constants are folded") {
    const auto model = network({1, 2}, "UINT2", [](OnnxMaker& maker) {
        maker.integers("stored", {2, 2}, {1, 2, 3, 4})
            .constant("half", {1}, {0.5})
            .integers("zero", {1}, {1});
        set(maker.node("Cast", {"stored"}, "w"), "to", onnx::TensorProto::FLOAT);
        maker.node("Transpose", {"w"}, "wt");
        maker.node("Mul", {"wt", "half"}, "wh");
        maker.node("Add", {"wh", "wh"}, "w2");
        maker.node("DequantizeLinear", {"stored", "half", "zero"}, "d");
        maker.node("MatMul", {"x", "w2"}, "p");
        maker.node("MatMul", {"p", "d"}, "y");
    });
    CHECK(model.graph().nodes.size() == 3);  // two products of integers, and what the second one stands for
    CHECK(model.graph().tensors.size() == 6);
    CHECK(run(model, {1, 2}) == Numbers{11, 19});  // [5 11] . [[0 .5] [1 1.5]]
}

TEST_CASE("Constant nodes and unused branches") {
    const auto model = network({1, 2}, "UINT2", [](OnnxMaker& maker) {
        auto& constant = maker.node("Constant", {}, "c");
        auto& attribute = *constant.add_attribute();
        attribute.set_name("value_float");
        attribute.set_type(onnx::AttributeProto::FLOAT);
        attribute.set_f(3);
        maker.node("NobodyRunsThis", {"x"}, "unused");
        maker.node("Add", {"x", "c"}, "y");
    });
    CHECK(model.graph().nodes.size() == 1);
    CHECK(run(model, {0, 3}) == Numbers{3, 6});
    CHECK(result(model).range == Range{3, 6});
}
