// Networks over fractions: layers in single precision, products of any two tensors, and where sums must be exact.
#include <doctest/doctest.h>

#include "tests/overlays/network_form.hpp"

using namespace fard;
using namespace fard::test;
using model::test::Extents;
using model::test::set;

namespace {

constexpr const char* single = "fractions, single precision";
constexpr const char* single_and_relu = "fractions, single precision, and Relu";
constexpr const char* exact = "fractions, summed in double";
constexpr const char* any_two = "any two tensors, single precision";
constexpr const char* any_two_exact = "any two tensors, summed in double";

struct Convolution {
    Extents input, weights;
    std::int64_t stride = 1, pad = 0, dilation = 1, group = 1;
    bool bias = true, relu = false;
};

std::string convolve(Form& form, const Convolution& c, const std::string& x) {
    std::vector<std::string> inputs{x, form.floats(c.weights, -0.1F, 0.1F)};
    if (c.bias) inputs.push_back(form.floats({c.weights[0]}));
    const auto y = form.add("Conv", inputs);
    set(form.last(), "kernel_shape", Extents{c.weights[2], c.weights[3]});
    set(form.last(), "strides", Extents{c.stride, c.stride});
    set(form.last(), "dilations", Extents{c.dilation, c.dilation});
    set(form.last(), "pads", Extents{c.pad, c.pad, c.pad, c.pad});
    set(form.last(), "group", c.group);
    return c.relu ? form.add("Relu", {y}) : y;
}

// Sums near 0 are left out of the comparison by their bias.
std::string shifted(Form& form, const std::string& x) {
    return form.add("Add", {x, form.scalar(50)});
}

}  // namespace

TEST_CASE("convolutions over fractions") {
    const Convolution shapes[] = {
        {{1, 3, 23, 21}, {64, 3, 3, 3}, 2, 0, 1, 1, true, true},
        {{1, 3, 20, 20}, {70, 3, 7, 7}, 2, 3},
        {{1, 3, 20, 20}, {5, 3, 3, 3}, 1, 2, 2},
        {{1, 20, 17, 19}, {33, 20, 1, 1}, 1, 0, 1, 1, false},
        {{1, 130, 5, 5}, {130, 130, 3, 3}, 1, 1},
        {{1, 300, 3, 3}, {17, 300, 1, 1}, 1, 0},
        {{2, 16, 9, 9}, {24, 16, 3, 3}, 1, 1, 1, 1, true, true},
        {{3, 8, 9, 9}, {24, 4, 3, 3}, 1, 1, 1, 2},
        {{1, 19, 9, 9}, {19, 1, 3, 3}, 1, 1, 1, 19, true, true},
        {{1, 7, 9, 9}, {14, 1, 3, 3}, 2, 1, 1, 7},
        {{1, 1, 30, 30}, {16, 1, 5, 5}, 1, 2},
        {{1, 40, 1, 1}, {1000, 40, 1, 1}, 1, 0},
    };
    std::uint32_t seed = 7;  // one in eight runs with two threads
    for (const auto& shape : shapes)
        for (int i = 0; i < 2; ++i) {
            Form form(++seed);
            form.maker().input("x", shape.input);
            const auto y = convolve(form, shape, "x");
            std::string kind = shape.relu ? single_and_relu : single;
            if (shape.input[0] > 1) kind = std::to_string(shape.input[0]) + " images: " + kind;
            form.check(shifted(form, y), seed * 8 % 16 + seed / 2, kind);
        }
}

TEST_CASE("layers that write to their places in a Concat, of a batch too") {
    for (const std::int64_t images : {1, 2}) {
        Form form(static_cast<std::uint32_t>(images));
        form.maker().input("x", {images, 20, 8, 8});
        const auto a = convolve(form, {{}, {24, 20, 1, 1}, 1, 0, 1, 1, true, true}, "x");
        const auto b = convolve(form, {{}, {70, 20, 3, 3}, 1, 1}, "x");
        const auto c = convolve(form, {{}, {20, 1, 3, 3}, 1, 1, 1, 20}, "x");
        const auto all = form.add("Concat", {a, "x", b, c});
        set(form.last(), "axis", 1);
        const auto pool = form.add("MaxPool", {all});
        set(form.last(), "kernel_shape", Extents{3, 3});
        const auto last = convolve(form, {{}, {10, 134, 1, 1}}, pool);
        form.check(shifted(form, last), 16, images == 1 ? single : "2 images: fractions, single precision");
    }
}

TEST_CASE("products of any two tensors") {
    struct Shapes {
        Extents a, b;
    };
    const Shapes shapes[] = {{{5, 7}, {7, 9}},           {{2, 3, 5, 40}, {2, 3, 40, 70}}, {{2, 1, 50, 7}, {3, 7, 65}},
                             {{7}, {7, 9}},              {{4, 5, 7}, {7}},                {{7}, {7}},
                             {{3, 1, 4}, {2, 1, 4, 130}}, {{1, 1, 1, 6}, {6, 1}}};
    std::uint32_t seed = 0;
    for (const auto& [a, b] : shapes) {
        Form form(++seed);
        form.maker().input("a", a).input("b", b);
        form.check(shifted(form, form.add("MatMul", {"a", "b"})), seed * 8, any_two);
    }
}

TEST_CASE("a product of a constant stack of matrices, and of images whose channels lie last") {
    Form form(3);
    form.maker().input("x", {1, 3, 6, 5});
    const auto y = convolve(form, {{}, {4, 3, 1, 1}}, "x");                     // 1 x 4 x 6 x 5
    const auto left = form.add("MatMul", {form.floats({4, 7, 6}), y});          // 4 x 7 x 5
    const auto right = form.add("MatMul", {y, form.floats({1, 4, 5, 70})});     // 4 x 6 x 70
    form.maker().output(left);
    form.check(shifted(form, right), 8, any_two);
}

TEST_CASE("Gemm of computed matrices, turned, scaled, with an addend of any shape") {
    for (const bool turn_a : {false, true})
        for (const bool turn_b : {false, true})
            for (const Extents& addend : {Extents{}, Extents{9}, Extents{1, 9}, Extents{6, 1}, Extents{6, 9}}) {
                Form form(4);
                form.maker().input("a", turn_a ? Extents{7, 6} : Extents{6, 7});
                form.maker().input("b", turn_b ? Extents{9, 7} : Extents{7, 9}).input("c", addend);
                const auto y = form.add("Gemm", {"a", "b", "c"});
                set(form.last(), "transA", int{turn_a});
                set(form.last(), "transB", int{turn_b});
                set(form.last(), "alpha", 0.5);
                set(form.last(), "beta", 2.);
                form.check(shifted(form, y), 8, any_two);
            }
}

TEST_CASE("attention over fractions") {
    Form form(5);
    form.maker().input("x", {1, 12, 32});
    const auto head = [&](const std::string& from, const Extents& order) {
        const auto shape = form.next("shape");
        form.maker().integers(shape, {4}, {1, 12, 4, 8});
        const auto split = form.add("Reshape", {form.add("MatMul", {from, form.floats({32, 32})}), shape});
        const auto turned = form.add("Transpose", {split});
        set(form.last(), "perm", order);
        return turned;
    };
    const auto scores = form.add("MatMul", {head("x", {0, 2, 1, 3}), head("x", {0, 2, 3, 1})});
    const auto weights = form.add("Softmax", {form.add("Mul", {scores, form.scalar(0.3F)})});
    set(form.last(), "axis", -1);
    form.check(shifted(form, form.add("MatMul", {weights, head("x", {0, 2, 1, 3})})), 16, any_two);
}

// The smallest difference in a sum would be a whole step of the quantizer somewhere in so many elements.
TEST_CASE("sums that are quantized later are exact, also in a stage without the quantizer") {
    Form form(6);
    form.maker().input("x", {1, 40, 24, 24}).input("m", {1, 32, 24, 300});
    const auto y = convolve(form, {{}, {32, 40, 3, 3}, 1, 1, 1, 1, true, true}, "x");
    const auto product = form.add("MatMul", {form.add("Tanh", {y}), "m"});
    form.check(form.quant(form.add("Tanh", {product}), 0.0001F, 16, true), 8, any_two_exact);
}

TEST_CASE("what jumps behind a product asks for exact sums, what is smooth does not") {
    const auto network = [](const std::string& op) {
        Form form(8);
        form.maker().input("x", {1, 30});
        const auto y = form.add("MatMul", {"x", form.floats({30, 20})});
        std::string z;
        if (op == "Greater") {
            const auto truth = form.add(op, {y, form.scalar(0.5F)});
            z = form.add("Where", {truth, y, form.scalar(0)});
        } else {
            z = form.add(op, {y});
        }
        form.maker().output(z);
        Checked checked;
        check_network({form.maker().bytes(), op}, 8, checked);
        return checked;
    };
    for (const char* op : {"Floor", "Round", "Sign", "Greater", "ThresholdedRelu"}) CHECK_MESSAGE(network(op).kinds[exact] > 0, op);
    for (const char* op : {"Tanh", "Sigmoid", "Neg", "Softplus"}) CHECK_MESSAGE(network(op).kinds[single] > 0, op);
}
