// Quantized operators of QDQ and QLinear networks as integers: the form, and results that can be checked by hand.
#include <doctest/doctest.h>

#include <cmath>

#include "model/reference.hpp"
#include "tests/model/data.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

using Numbers = std::vector<double>;
using onnx::TensorProto;

void store(OnnxMaker& maker, const std::string& name, int type, const Extents& shape,
           const std::vector<int>& values) {
    auto& tensor = *maker.proto().mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    for (const auto extent : shape)
        tensor.add_dims(extent);
    for (const auto value : values)
        tensor.add_int32_data(value);
}

// Scale NAME_s and zero point NAME_z.
void parameters(OnnxMaker& maker, const std::string& name, float scale, int zero,
                int type = TensorProto::UINT8) {
    maker.constant(name + "_s", {}, {scale});
    store(maker, name + "_z", type, {}, {zero});
}

void dequantize(OnnxMaker& maker, const std::string& name, const std::string& real,
                const std::string& parameters_of) {
    maker.node("DequantizeLinear", {name, parameters_of + "_s", parameters_of + "_z"}, real);
}

// x -> DequantizeLinear -> what `body` makes of "r" (a tensor "real") -> QuantizeLinear -> y.
Model between(const Extents& shape, float in_scale, int in_zero, float out_scale, int out_zero, auto body) {
    OnnxMaker maker;
    maker.input("x", shape, TensorProto::UINT8).output("y", TensorProto::UINT8);
    parameters(maker, "x", in_scale, in_zero);
    parameters(maker, "y", out_scale, out_zero);
    dequantize(maker, "x", "r", "x");
    body(maker);
    maker.node("QuantizeLinear", {"real", "y_s", "y_z"}, "y");
    auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    return *model;
}

// Round half to even, in the thread's default mode.
double quantized(double real, double scale, int zero) {
    return std::min(255.0, std::max(0.0, std::nearbyint(real / scale) + zero));
}

}  // namespace

TEST_CASE("a convolution with a zero point, padding, bias and Relu") {
    const auto model = between({1, 1, 2, 2}, 0.5, 10, 0.25, 3, [](OnnxMaker& maker) {
        store(maker, "w", TensorProto::INT8, {2, 1, 2, 2}, {1, 2, 3, 4, -1, -1, -1, -1});
        maker.constant("w_s", {2}, {0.5, 0.125});
        store(maker, "w_z", TensorProto::INT8, {2}, {0, 0});
        set(maker.node("DequantizeLinear", {"w", "w_s", "w_z"}, "w_r"), "axis", 0);
        store(maker, "b", TensorProto::INT32, {2}, {8, -3});
        maker.constant("b_s", {2}, {0.25, 0.0625});
        set(maker.node("DequantizeLinear", {"b", "b_s"}, "b_r"), "axis", 0);
        set(maker.node("Conv", {"r", "w_r", "b_r"}, "c"), "pads", Extents{1, 1, 0, 0});
        maker.node("Relu", {"c"}, "real");
    });
    CHECK(operators(model) == std::vector{Op::sub, Op::conv, Op::requantize});
    CHECK(model.cut_tensors().empty());  // it is one operator
    const auto& requantize = model.graph().nodes[2].as<RequantizeAttributes>();
    CHECK(requantize.operands[0].multiplier == Numbers{1, 0.25});
    CHECK(requantize.range == Range{3, 255});
    const auto y = run(model, {12, 9, 30, 10});
    Numbers wanted;
    const double image[2][2] = {{1, -0.5}, {10, 0}};
    const double w[2][4] = {{0.5, 1, 1.5, 2}, {-0.125, -0.125, -0.125, -0.125}}, bias[2] = {2, -0.1875};
    for (int o = 0; o < 2; ++o)
        for (int row = 0; row < 2; ++row)
            for (int column = 0; column < 2; ++column) {
                double sum = bias[o];
                for (int i = 0; i < 4; ++i) {
                    const int h = row - 1 + i / 2, v = column - 1 + i % 2;
                    if (h >= 0 && v >= 0) sum += image[h][v] * w[o][i];
                }
                wanted.push_back(quantized(std::max(sum, 0.0), 0.25, 3));
            }
    CHECK(y == wanted);
}

TEST_CASE("sums of tensors with different scales") {
    for (const char* op : {"Add", "Sub"}) {
        const auto model = between({1, 4}, 0.5, 10, 0.75, 7, [&](OnnxMaker& maker) {
            maker.input("x2", {1, 4}, TensorProto::UINT8);
            parameters(maker, "x2", 0.125, 100);
            dequantize(maker, "x2", "r2", "x2");
            maker.node(op, {"r", "r2"}, "real");
        });
        CHECK(operators(model) == std::vector{Op::requantize});
        const Values a{{0, 10, 20, 255}, {}}, b{{255, 100, 33, 0}, {}};
        const auto results = run_reference(model.graph(), {a, b});
        REQUIRE(results);
        const double sign = *op == 'A' ? 1 : -1;
        for (std::size_t i = 0; i < 4; ++i)
            CHECK((*results)[0].integers[i] ==
                  quantized((a.integers[i] - 10) * 0.5 + sign * (b.integers[i] - 100) * 0.125, 0.75, 7));
    }
}

TEST_CASE("pools, means and moves") {
    const auto average = between({1, 1, 2, 4}, 0.5, 10, 0.5, 10, [](OnnxMaker& maker) {
        auto& node = maker.node("AveragePool", {"r"}, "real");
        set(node, "kernel_shape", Extents{2, 2});
        set(node, "strides", Extents{2, 2});
    });
    CHECK(operators(average) == std::vector{Op::sub, Op::conv, Op::requantize});
    CHECK(run(average, {1, 2, 10, 20, 3, 4, 30, 43}) == Numbers{2, 26});  // 2.5 and 25.75
    const auto global = between({1, 2, 1, 3}, 0.5, 0, 0.5, 0,
                                [](OnnxMaker& maker) { maker.node("GlobalAveragePool", {"r"}, "real"); });
    CHECK(operators(global) == std::vector{Op::reduce_sum, Op::requantize});
    CHECK(run(global, {1, 2, 3, 9, 9, 10}) == Numbers{2, 9});
    const auto pool = between({1, 1, 2, 2}, 0.5, 10, 0.5, 10, [](OnnxMaker& maker) {
        set(maker.node("MaxPool", {"r"}, "m"), "kernel_shape", Extents{2, 2});
        maker.node("Flatten", {"m"}, "real");
    });
    CHECK(operators(pool) == std::vector{Op::max_pool, Op::flatten});
    CHECK(run(pool, {3, 200, 7, 8}) == Numbers{200});
    CHECK(pool.outputs()[0].declared == "UINT8");
}

TEST_CASE("Concat gives each part the scale of the whole") {
    const auto model = between({1, 2}, 0.5, 10, 0.5, 10, [](OnnxMaker& maker) {
        maker.input("x2", {1, 2}, TensorProto::UINT8);
        parameters(maker, "x2", 2, 0);
        dequantize(maker, "x2", "r2", "x2");
        set(maker.node("Concat", {"r", "r2"}, "real"), "axis", 1);
    });
    CHECK(operators(model) == std::vector{Op::requantize, Op::concat});  // the first one has it already
    const auto results = run_reference(model.graph(), {Values{{1, 2}, {}}, Values{{3, 200}, {}}});
    REQUIRE(results);
    CHECK((*results)[0].integers == std::vector<std::int32_t>{1, 2, 22, 255});
}

TEST_CASE("functions between quantizers become tables of thresholds") {
    const auto model = between({1, 3}, 0.125, 128, 1.0F / 256, 0,
                               [](OnnxMaker& maker) { maker.node("Sigmoid", {"r"}, "real"); });
    CHECK(operators(model) == std::vector{Op::multi_threshold});
    for (const double x : {0.0, 100.0, 255.0})
        CHECK(run(model, {x, x, x})[0] == quantized(1 / (1 + std::exp(-(x - 128) * 0.125)), 1.0 / 256, 0));
}

TEST_CASE("QLinearConv and QLinearMatMul are what their QDQ form is; ConvInteger yields its sums") {
    OnnxMaker maker;
    maker.input("x", {1, 2}, TensorProto::UINT8).output("y", TensorProto::UINT8);
    parameters(maker, "x", 0.5, 1);
    parameters(maker, "w", 0.25, 2);
    parameters(maker, "y", 0.125, 0);
    store(maker, "w", TensorProto::UINT8, {2, 2}, {1, 2, 3, 4});
    maker.node("QLinearMatMul", {"x", "x_s", "x_z", "w", "w_s", "w_z", "y_s", "y_z"}, "y");
    const auto product = maker.import();
    REQUIRE_MESSAGE(product, product.error().message);
    CHECK(operators(*product) == std::vector{Op::sub, Op::matmul, Op::requantize});
    CHECK(run(*product, {3, 5}) == Numbers{2, 8});  // [2 4] . [[-1 0] [1 2]]

    OnnxMaker integer;
    integer.input("x", {1, 1, 2, 2}, TensorProto::UINT8).output("y", TensorProto::INT32);
    store(integer, "w", TensorProto::UINT8, {1, 1, 1, 1}, {3});
    store(integer, "x_z", TensorProto::UINT8, {}, {1});
    integer.node("ConvInteger", {"x", "w", "x_z"}, "y");
    const auto sums = integer.import();
    REQUIRE_MESSAGE(sums, sums.error().message);
    CHECK(run(*sums, {0, 1, 2, 255}) == Numbers{-3, 0, 3, 762});
}

TEST_CASE("Quant with every kind of clamp and rounding, and Trunc") {
    const auto quant = [](float scale, float zero, float bits, int is_signed, int narrow, const char* mode) {
        OnnxMaker maker;
        maker.input("x", {1, 6}).output("y");
        maker.constant("s", {}, {scale}).constant("z", {}, {zero}).constant("b", {}, {bits});
        auto& node = maker.node("Quant", {"x", "s", "z", "b"}, "y", "qonnx.custom_op.general");
        set(node, "signed", is_signed);
        set(node, "narrow", narrow);
        set(node, "rounding_mode", mode);
        const auto model = maker.import();
        REQUIRE_MESSAGE(model, model.error().message);
        return run(*model, {-9, -1.25, -0.25, 0.25, 1.25, 9});
    };
    CHECK(quant(0.5, 0, 3, 1, 0, "ROUND") == Numbers{-2, -1, 0, 0, 1, 1.5});
    CHECK(quant(0.5, 0, 3, 1, 1, "CEIL") == Numbers{-1.5, -1, 0, 0.5, 1.5, 1.5});
    CHECK(quant(0.5, 0, 3, 0, 0, "FLOOR") == Numbers{0, 0, 0, 0, 1, 3.5});
    CHECK(quant(0.5, 0, 3, 0, 1, "UP") == Numbers{0, 0, 0, 0.5, 1.5, 3});
    CHECK(quant(0.5, 3, 3, 0, 0, "HALF_UP") == Numbers{-1.5, -1, 0, 0.5, 1.5, 2});

    OnnxMaker maker;  // 4 bits of scale 0.5, of which the upper 2 stay
    maker.input("x", {1, 4}).output("y");
    maker.constant("s", {}, {0.5}).constant("z", {}, {0}).constant("b", {}, {4}).constant("a", {}, {2});
    maker.node("Quant", {"x", "s", "z", "b"}, "q", "qonnx.custom_op.general");
    maker.node("Trunc", {"q", "s", "z", "b", "a"}, "y", "qonnx.custom_op.general");
    const auto trunc = maker.import();
    REQUIRE_MESSAGE(trunc, trunc.error().message);
    CHECK(run(*trunc, {-4, -0.5, 1.5, 3.5}) == Numbers{-1, -0.5, 0, 0.5});
}
