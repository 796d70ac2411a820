// Small files that ask for much: whatever they say, importing takes no more memory than a few times the file.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "tests/fakes/allocations.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

constexpr std::size_t mebibyte = 1 << 20;

struct Import {
    Result<Model> model;
    std::size_t peak;  // of all memory at the same time, in bytes; without the file's own bytes

    std::string message() const { return model ? "" : model.error().message; }
    bool says(const std::string& text) const { return message().find(text) != std::string::npos; }
};

Import import(const std::string& bytes) {
    fard::test::reset_peak();
    const auto before = fard::test::live_bytes();
    auto model = Model::parse(bytes, "hostile");
    return {std::move(model), fard::test::peak_bytes() - before};
}

// A protobuf field of number `field`, of which each element is a message without content.
std::string empty_messages(int field, std::size_t count) {
    std::string bytes;
    for (std::size_t i = 0; i < count; ++i)
        bytes += {static_cast<char>(field << 3 | 2), '\0'};
    return bytes;
}

std::string enclosed(int field, const std::string& content) {
    std::string bytes(1, static_cast<char>(field << 3 | 2));
    for (auto rest = content.size();; rest >>= 7) {
        bytes += static_cast<char>((rest & 127) | (rest > 127 ? 128 : 0));
        if (rest <= 127) break;
    }
    return bytes + content;
}

OnnxMaker quantized_input(const Extents& shape) {
    OnnxMaker maker;
    maker.input("x", shape, onnx::TensorProto::UINT8);
    maker.constant("s", {}, {0.5});
    maker.node("DequantizeLinear", {"x", "s"}, "x0");
    return maker;
}

void quantized_output(OnnxMaker& maker, const std::string& real) {
    maker.node("QuantizeLinear", {real, "s"}, "y").set_name("last");
    maker.output("y", onnx::TensorProto::UINT8);
}

}  // namespace

TEST_CASE("the memory of an ordinary file: what its weights take, a few times") {
    OnnxMaker maker;
    maker.input("x", {1, 1024}).annotate("x", "INT4");
    maker.constant("w", {1024, 1024}, std::vector<float>(1 << 20, 3));
    maker.node("MatMul", {"x", "w"}, "y");
    maker.output("y");
    const auto bytes = maker.bytes();
    const auto made = import(bytes);
    REQUIRE_MESSAGE(made.model, made.message());
    MESSAGE("a file of ", bytes.size(), " bytes: ", made.peak, " bytes");
    CHECK(made.peak < 5 * bytes.size());
    if (fard::test::counts_allocations) CHECK(made.peak > 4 * mebibyte);
}

TEST_CASE("millions of nodes, attributes or tensors in a few bytes each") {
    constexpr std::size_t count = 2 * mebibyte;
    constexpr int graph = 7, node = 1, initializer = 5, node_attribute = 5, opset = 8, output = 2,
                  unknown = 13;
    const std::string files[] = {
        enclosed(graph, empty_messages(node, count)),
        enclosed(graph, empty_messages(initializer, count)),
        enclosed(graph, enclosed(node, empty_messages(node_attribute, count))),
        enclosed(graph, enclosed(node, empty_messages(output, count))),
        enclosed(graph, empty_messages(unknown, count)),
        empty_messages(opset, count),
    };
    for (const auto& bytes : files) {
        const auto made = import(bytes);
        CHECK(made.says("nodes, attributes, tensors and names in"));
        CHECK(made.peak < mebibyte);
    }
}

// Some, twice as many and so on, until they are refused.
TEST_CASE("small parts, as many as a file may have, stay within 20 times its size and 50 MB") {
    const auto chain = [](std::size_t count) {
        std::string nodes;
        for (std::size_t i = 0; i < count; ++i)
            nodes += enclosed(1, enclosed(1, i == 0 ? "x" : fmt::format("{:x}", i - 1)) + enclosed(2, fmt::format("{:x}", i)) +
                                     enclosed(4, "Abs"));
        OnnxMaker maker;
        maker.input("x", {1});
        maker.proto().mutable_graph()->add_output()->set_name(fmt::format("{:x}", count - 1));
        return maker.bytes() + enclosed(7, nodes);
    };
    const auto of_graph = [](const std::string& part) {
        return [part](std::size_t count) {
            std::string parts;
            for (std::size_t i = 0; i < count; ++i)
                parts += part;
            OnnxMaker maker;
            maker.input("x", {1}).node("Abs", {"x"}, "y");
            return maker.output("y").bytes() + enclosed(7, parts);
        };
    };
    const auto numbered = [](const std::function<std::string(const std::string&)>& part) {
        return [part](std::size_t count) {
            std::string parts;
            for (std::size_t i = 0; i < count; ++i)
                parts += part(fmt::format("{:x}", i));
            OnnxMaker maker;
            maker.input("x", {1}).node("Abs", {"x"}, "y");
            return maker.output("y").bytes() + enclosed(7, parts);
        };
    };
    const std::string scalar = std::string("\x10\x01", 2) + enclosed(9, std::string(4, '\0'));
    const std::function<std::string(std::size_t)> kinds[] = {
        chain,
        of_graph(enclosed(1, "")),                                                                           // nodes
        of_graph(enclosed(1, enclosed(2, "z") + enclosed(4, "Abs"))),                                        // the same output
        numbered([&](const std::string& n) { return enclosed(5, enclosed(8, n) + scalar); }),                // initializers
        numbered([&](const std::string& n) { return enclosed(1, enclosed(5, enclosed(1, n))); }),            // attributes
        numbered([&](const std::string& n) { return enclosed(14, enclosed(1, n) + enclosed(2, enclosed(1, "finn_datatype"))); }),
        numbered([&](const std::string& n) { return enclosed(11, enclosed(1, n)); }),                        // inputs
        numbered([&](const std::string& n) { return enclosed(12, enclosed(1, n)); }),                        // outputs
        numbered([&](const std::string& n) { return enclosed(1, enclosed(2, n) + enclosed(4, "Constant") +
                                                                   enclosed(5, enclosed(1, "value") + enclosed(5, scalar))); }),
    };
    int taken = 0, refused = 0;
    for (const auto& make : kinds)
        for (std::size_t count = 40'000; count < 1'000'000; count *= 2) {
            const auto bytes = make(count);
            const auto made = import(bytes);
            CHECK_MESSAGE(made.peak <= 20 * bytes.size() + 50 * mebibyte, "kind ", std::to_string(&make - kinds), ", ", count, " parts: ", made.peak, " bytes, of ", bytes.size());
            if (made.says("nodes, attributes, tensors and names in")) {
                ++refused;
                break;
            }
            ++taken;
        }
    CHECK(taken > 4);
    CHECK(refused > 5);
}

TEST_CASE("messages within messages") {
    std::string bytes;
    for (int i = 0; i < 50'000; ++i)  // a graph in an attribute of a node of a graph ...
        bytes = enclosed(1, enclosed(5, enclosed(6, bytes))).substr(0, 100);
    for (int i = 0; i < 200; ++i)
        bytes = enclosed(1, enclosed(5, enclosed(6, bytes)));
    const auto made = import(enclosed(7, bytes));
    CHECK(made.says("does not parse"));
    CHECK(made.peak < mebibyte);
}

TEST_CASE("a file that is cut off anywhere") {
    auto maker = quantized_input({1, 2, 4, 4});
    maker.constant("w", {3, 2, 1, 1}).node("Conv", {"x0", "w"}, "c");
    quantized_output(maker, "c");
    const auto bytes = maker.bytes();
    REQUIRE(import(bytes).model);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        const auto made = import(bytes.substr(0, length));
        CHECK(made.peak < mebibyte);
        if (!made.model) CHECK(!made.message().empty());
    }
}

TEST_CASE("constants that grow") {
    OnnxMaker outer;  // 8192 + 8192 elements make 2^26
    outer.input("x", {1}).constant("a", {8192, 1}).constant("b", {1, 8192});
    outer.node("Add", {"a", "b"}, "c");
    outer.node("Add", {"x", "c"}, "y");
    outer.output("y");
    OnnxMaker doubled;  // 2^24
    doubled.input("x", {1}).constant("c0", {1});
    for (int i = 0; i < 24; ++i)
        set(doubled.node("Concat", {"c" + std::to_string(i), "c" + std::to_string(i)},
                         "c" + std::to_string(i + 1)),
            "axis", 0);
    doubled.node("Add", {"x", "c24"}, "y");
    doubled.output("y");
    for (const auto* maker : {&outer, &doubled}) {
        const auto made = import(maker->bytes());
        CHECK(made.says("computes a constant of too many elements"));
        CHECK(made.peak < 16 * mebibyte);
    }
}

TEST_CASE("operators that are made of many others") {
    OnnxMaker strides;  // 2^20 convolutions
    strides.input("x0", {1, 1, 2, 2}).constant("w", {1, 1, 1, 1});
    for (int i = 0; i < 1024; ++i) {
        auto& node = strides.node("ConvTranspose", {"x0", "w"}, "t" + std::to_string(i));
        set(node, "strides", Extents{32, 32});
    }
    std::vector<std::string> all;
    for (int i = 0; i < 1024; ++i)
        all.push_back("t" + std::to_string(i));
    set(strides.node("Concat", all, "y"), "axis", 1);
    strides.output("y");
    OnnxMaker copies;
    copies.input("x0", {1}).integers("r", {1}, {1 << 25}).node("Tile", {"x0", "r"}, "y");
    copies.output("y");
    OnnxMaker triangle;
    triangle.input("x0", {1 << 13, 1 << 13}).node("Trilu", {"x0"}, "y");
    triangle.output("y");
    OnnxMaker hot;
    hot.input("x0", {1, 1 << 24}).node("Hardmax", {"x0"}, "y");
    hot.output("y");
    for (const auto* maker : {&strides, &copies, &triangle, &hot}) {
        const auto made = import(maker->bytes());
        CHECK_MESSAGE((made.says("is made of more others") || made.says("too many for a file")), made.message());
        CHECK(made.peak < 50 * mebibyte);
    }
}

TEST_CASE("tensors of 2^26 elements are nothing before they are computed") {
    auto pool = quantized_input({1, 1 << 24, 2, 2});
    set(pool.node("AveragePool", {"x0"}, "p"), "kernel_shape", Extents{2, 2});
    quantized_output(pool, "p");
    auto shuffled = quantized_input({1, 1 << 24, 2, 2});
    set(shuffled.node("Transpose", {"x0"}, "t"), "perm", Extents{0, 2, 3, 1});
    shuffled.node("LeakyRelu", {"t"}, "l");
    shuffled.node("Quant", {"l", "s", "s0", "s4"}, "q", "qonnx.custom_op.general");
    shuffled.constant("s0", {}, {0}).constant("s4", {}, {4});
    quantized_output(shuffled, "q");
    for (const auto* maker : {&pool, &shuffled}) {
        const auto made = import(maker->bytes());
        REQUIRE_MESSAGE(made.model, made.message());
        CHECK(made.peak < mebibyte);
    }
}

TEST_CASE("ten thousands of nodes one behind the other") {
    for (const std::string op : {"Mul", "Transpose", "Relu", "Identity", "Add"}) {
        CAPTURE(op);
        auto maker = quantized_input({2, 2});
        constexpr int nodes = 20'000;
        for (int i = 0; i < nodes; ++i) {
            const auto from = "x" + std::to_string(i), to = "x" + std::to_string(i + 1);
            if (op == "Mul" || op == "Add")
                maker.node(op, {from, op == "Mul" ? "s" : from}, to);
            else
                maker.node(op, {from}, to);
        }
        quantized_output(maker, "x" + std::to_string(nodes));
        const auto bytes = maker.bytes();
        const auto made = import(bytes);
        if (!made.model) CHECK(made.says("32 bits"));  // sums of sums
        MESSAGE(op, ": a file of ", bytes.size(), " bytes: ", made.peak, " bytes");
        CHECK(made.peak < 100 * bytes.size());
    }
}

TEST_CASE("numbers that are none, and none at all") {
    OnnxMaker maker;
    maker.input("x", {1, 4, 2, 2}).annotate("x", "INT4");
    const float nan = std::nanf("");
    maker.constant("g", {4}, {1, 0, nan, -1}).constant("b", {4}, {0, nan, 0, 1});
    maker.constant("m", {4}, {0, 0, INFINITY, 1}).constant("v", {4}, {1, -1, 0, nan});
    maker.node("BatchNormalization", {"x", "g", "b", "m", "v"}, "n");
    maker.constant("s", {}, {0.5});
    maker.node("QuantizeLinear", {"n", "s"}, "y");
    maker.output("y", onnx::TensorProto::UINT8);
    const auto made = import(maker.bytes());
    REQUIRE_MESSAGE(made.model, made.message());
    CHECK(run(*made.model, std::vector<double>(16, 1)).size() == 16);
}
