// Forms of networks that generated ones draw seldom or never, checked as those are.
#include <doctest/doctest.h>

#include "tests/overlays/network_form.hpp"

using namespace fard;
using namespace fard::test;
using model::test::Extents;
using model::test::OnnxMaker;
using model::test::set;

namespace {

constexpr const char* qonnx_domain = "qonnx.custom_op.general";

}  // namespace

TEST_CASE("residual sums of one scale, per-tensor thresholds behind them, differences") {
    for (std::uint32_t seed = 1; seed <= 12; ++seed) {
        Form form(seed);
        form.maker().input("x", {1, 13, 5, 7});
        const int bits = 2 + static_cast<int>(seed % 7);
        const auto a = form.quant("x", 0.1F, bits, true),
                   b = form.quant(form.add("Mul", {a, form.scalar(0.7F)}), 0.1F, bits, true);
        const auto sum = form.add(seed % 3 == 0 ? "Sub" : "Add", {a, b});
        const auto relu = seed % 2 == 0 ? form.add("Relu", {sum}) : sum;
        form.check(
            seed % 4 == 0 ? form.quant(sum, 0.013F, 7, true) : form.quant(relu, 0.17F, 4, seed % 2 == 1),
            seed, "sum");
    }
}

TEST_CASE("sums of three scales in a row") {
    Form form(5);
    form.maker().input("x", {2, 4, 3, 3});
    const auto a = form.quant("x", 0.1F, 8, true), b = form.quant("x", 0.07F, 4, false);
    const auto c = form.quant(form.add("Add", {a, b}), 0.12F, 8, true);
    form.check(form.quant(form.add("Add", {c, b}), 0.05F, 6, false), 5, "requantize");
}

TEST_CASE("attention: heads, products of two computed tensors, softmax") {
    for (std::uint32_t seed = 1; seed <= 6; ++seed) {
        Form form(seed);
        const std::int64_t tokens = 5 + 30 * (seed % 3), heads = 1 + seed % 3, width = 4 + seed;
        form.maker().input("x", {1, tokens, heads * width});
        form.maker().integers("shape", {4}, {1, tokens, heads, width});
        const auto x = form.quant("x", 0.03F, 8, true);
        const auto part = [&](const Extents& permutation) {
            const auto moved = form.add("Transpose", {form.add("Reshape", {x, "shape"})});
            set(form.last(), "perm", permutation);
            return moved;
        };
        const auto scores = form.add("MatMul", {part({0, 2, 1, 3}), part({0, 2, 3, 1})});
        const auto soft = form.add("Softmax", {form.quant(scores, 0.05F, 8, true)});
        set(form.last(), "axis", -1);
        const auto values = form.add("MatMul", {form.quant(soft, 1 / 255.F, 8, false), part({0, 2, 1, 3})});
        form.check(form.quant(values, 0.03F, 8, true), seed, "matrix");
    }
}

TEST_CASE("fractions: convolutions of every form, pools, products") {
    for (std::uint32_t seed = 1; seed <= 16; ++seed) {
        Form form(seed);
        const std::int64_t channels = seed % 2 == 0 ? 6 : 35, outputs = seed % 3 == 0 ? channels : 70,
                           images = 1 + seed % 2;
        const std::int64_t groups = seed % 3 == 0 ? channels : seed % 4 == 0 ? 2 : 1;
        const std::int64_t kernel = 1 + seed % 3, dilation = seed % 5 == 0 ? 2 : 1, pad = seed % 2;
        form.maker().input("x", {images, channels, 9, 8});
        std::vector<std::string> operands{"x", form.floats({outputs, channels / groups, kernel, kernel})};
        if (seed % 4 != 1) operands.push_back(form.floats({outputs}));
        auto now = form.add("Conv", operands);
        set(form.last(), "kernel_shape", Extents{kernel, kernel});
        set(form.last(), "pads", Extents{pad, pad, pad, 0});
        set(form.last(), "strides", Extents{1 + static_cast<std::int64_t>(seed % 2), 1});
        set(form.last(), "dilations", Extents{dilation, dilation});
        set(form.last(), "group", groups);
        if (seed % 2 == 0)
            now = form.add("BatchNormalization", {now, form.floats({outputs}), form.floats({outputs}),
                                                  form.floats({outputs}), form.floats({outputs}, 0.5F, 2)});
        now = form.add(seed % 5 == 0 ? "Sigmoid" : "Relu", {now});
        now = form.add("Add", {now, form.floats({outputs, 1, 1})});
        now = form.add("Mul", {now, now});
        now = form.add(seed % 2 == 0 ? "MaxPool" : "AveragePool", {now});
        set(form.last(), "kernel_shape", Extents{2, 2});
        set(form.last(), "pads", Extents{0, 1, 1, 0});
        now = form.add("GlobalAveragePool", {now});
        now = form.add("Flatten", {now});
        now = form.add("Gemm", {now, form.floats({outputs, 9}), form.floats({9})});
        now = form.add("MatMul", {now, form.floats({9, 33})});
        form.check(form.add("Softmax", {now}), seed,
                   groups == channels && outputs == channels ? "depthwise" : "matrix");
    }
}

TEST_CASE("fractions of a float convolution are quantized as the reference's are") {
    Form form(3);
    form.maker().input("x", {1, 12, 6, 6});
    const auto conv = form.add("Conv", {"x", form.floats({20, 12, 3, 3})});
    form.check(form.quant(conv, 0.003F, 8, true), 3, "quantize");
}
