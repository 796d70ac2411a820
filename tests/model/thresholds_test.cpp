// Thresholds in their canonical form, held against the reference interpreter integer by integer.
#include "model/layers/thresholds.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "model/reference.hpp"
#include "tests/model/data.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

constexpr const char* qonnx = "qonnx.custom_op.general";

// All nodes of a graph that is one chain.
std::vector<NodeId> all_nodes(const Graph& graph) {
    std::vector<NodeId> nodes;
    for (NodeId node = 0; node < graph.nodes.size(); ++node)
        nodes.push_back(node);
    return nodes;
}

bool is_canonical(const Thresholds& found) {
    for (std::size_t c = 0; c < found.rows(); ++c) {
        const auto row = found.row(c);
        const auto first = found.signs[c] > 0 ? found.range.min : -found.range.max;
        const auto last = found.signs[c] > 0 ? found.range.max : -found.range.min;
        if (!std::ranges::is_sorted(row)) return false;
        if (!row.empty() && (row.front() < first || row.back() > last + 1)) return false;
    }
    return found.values.size() == found.rows() * static_cast<std::size_t>(found.steps);
}

// The network maps [1, C] or [1, C, 1, 1] to the same; every channel is given every integer that it can be given.
Thresholds check_chain(const OnnxMaker& maker) {
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    const auto& graph = model->graph();
    const auto found = thresholds_of(graph, all_nodes(graph));
    REQUIRE_MESSAGE(found, found.error().message);
    CHECK(is_canonical(*found));
    const auto channels = graph[graph.inputs[0]].elements();
    CHECK((found->rows() == 1 || found->rows() == channels));
    const auto range = *graph[graph.inputs[0]].range;
    std::size_t wrong = 0;
    for (auto x = range.min; x <= range.max; ++x) {
        const auto expected = run(*model, std::vector(channels, static_cast<double>(x)));
        for (std::size_t c = 0; c < channels; ++c)
            wrong += static_cast<double>(found->apply(c, x)) != expected[c];
    }
    CHECK(wrong == 0);
    return *found;
}

OnnxMaker multi_threshold(const Extents& shape, const std::vector<float>& thresholds, std::int64_t rows,
                          double scale, double bias) {
    OnnxMaker maker;
    maker.input("x", shape).annotate("x", "INT8");
    maker.constant("t", {rows, static_cast<std::int64_t>(thresholds.size()) / rows}, thresholds);
    auto& node = maker.node("MultiThreshold", {"x", "t"}, "y", qonnx);
    set(node, "out_scale", scale), set(node, "out_bias", bias);
    return maker.output("y");
}

}  // namespace

TEST_CASE("thresholds in any order, fractions and those that nothing reaches") {
    const auto found =
        check_chain(multi_threshold({1, 3}, {5, -7.5F, 100, 0.25F, 0, -1000, 500, 3, 3}, 3, 1, 0));
    CHECK(found.values == std::vector<std::int64_t>{-7, 5, 100, -128, 0, 1, 3, 3, 128});
    CHECK(found.signs == std::vector<int>{1, 1, 1});
}

TEST_CASE("a scale below 0 turns thresholds round") {
    const auto falling = check_chain(multi_threshold({1, 2, 1, 1}, {-3, 4, 10, 20}, 2, -2, 1));
    CHECK(falling.lowest == -3);
    CHECK(falling.step == 2);
    CHECK(falling.signs == std::vector<int>{-1, -1});
    CHECK(falling.values == std::vector<std::int64_t>{-3, 4, -19, -9});
    const auto flat = check_chain(multi_threshold({1, 2}, {300, -300}, 1, -1, 0));
    CHECK(flat.signs == std::vector<int>{1});
}

TEST_CASE("channels that are alike share one row") {
    const auto found = check_chain(multi_threshold({1, 2}, {2, 1, 1, 2}, 2, 1, 0));
    CHECK(found.rows() == 1);
    CHECK(found == check_chain(multi_threshold({1, 2}, {0.5F, 1.5F}, 1, 1, 0)));
}

TEST_CASE("quantizers behind functions of integers, whatever the passes make of them") {
    for (const char* bits : {"2", "4", "8", "10"}) {
        CAPTURE(bits);
        OnnxMaker maker;
        maker.input("x", {1, 4}).annotate("x", "INT10");
        maker.constant("factor", {4}, {0.37F, -0.11F, 0.05F, -1.7F})
            .constant("offset", {4}, {0.5F, -3, 11.25F, 0});
        maker.constant("s", {}, {0.43F}).constant("z", {}, {0}).constant("bits", {}, {std::stof(bits)});
        maker.node("Mul", {"x", "factor"}, "scaled");
        maker.node("Add", {"scaled", "offset"}, "shifted");
        set(maker.node("Quant", {"shifted", "s", "z", "bits"}, "q", "onnx.brevitas"), "signed", 1);
        maker.constant("unit", {}, {0.43F});
        maker.node("Div", {"q", "unit"}, "whole");
        maker.output("whole");
        const auto model = maker.import();
        REQUIRE_MESSAGE(model, model.error().message);
        const auto& graph = model->graph();
        if (!graph[graph.outputs[0]].type.is_integer()) continue;
        const auto found = check_chain(maker);
        CHECK(found.signs == std::vector<int>{1, -1, 1, -1});
    }
}

TEST_CASE("a requantize, a quantize of integers, and a chain with a sigmoid") {
    for (const bool sigmoid : {false, true}) {
        OnnxMaker maker;
        maker.input("x", {1, 3, 1, 1}, onnx::TensorProto::INT8);
        maker.constant("sx", {3}, {0.02F, 0.5F, 0.0031F});
        maker.constant("sy", {}, {0.013F});
        set(maker.node("DequantizeLinear", {"x", "sx"}, "dx"), "axis", 1);
        if (sigmoid) maker.node("Sigmoid", {"dx"}, "f");
        maker.node("QuantizeLinear", {sigmoid ? "f" : "dx", "sy"}, "y");
        maker.output("y", onnx::TensorProto::UINT8);
        const auto found = check_chain(maker);
        CHECK(found.lowest >= 0);
        CHECK(found.steps <= 255);
    }
}

TEST_CASE("a bias moves thresholds") {
    const auto found = check_chain(multi_threshold({1, 2}, {-3, 4, 10, 20}, 2, 1, 0));
    const std::vector<std::int64_t> bias{5, -7};
    const auto moved = behind_bias(found, bias, {-100, 100});
    CHECK(is_canonical(moved));
    for (std::int64_t x = -100; x <= 100; ++x)
        for (std::size_t c = 0; c < 2; ++c)
            CHECK(moved.apply(c, x) == found.apply(c, x + bias[c]));
    const auto falling = behind_bias(check_chain(multi_threshold({1, 1}, {3, 4}, 1, -1, 0)),
                                     std::vector<std::int64_t>{9}, {-20, 20});
    for (std::int64_t x = -20; x <= 20; ++x)
        CHECK(falling.apply(0, x) == -((x + 9 >= 3) + (x + 9 >= 4)));
}

TEST_CASE("what is no monotone function of each element is refused by name") {
    OnnxMaker maker;
    maker.input("x", {1, 4}).annotate("x", "INT4");
    maker.node("Abs", {"x"}, "y").set_name("turned");
    maker.output("y");
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    const auto found = thresholds_of(model->graph(), all_nodes(model->graph()));
    REQUIRE(!found);
    CHECK(found.error().message.find("'turned' (Abs)") != std::string::npos);
}

namespace {

// Integers of the range: all where they are few, else those round thresholds and some between.
std::vector<std::int64_t> worth_trying(const Thresholds& found, std::size_t channel) {
    std::vector<std::int64_t> list{found.range.min, found.range.max};
    const auto width = found.range.max - found.range.min;
    const auto stride = std::max<std::int64_t>(1, width / 500);
    for (auto x = found.range.min; x <= found.range.max; x += stride)
        list.push_back(x);
    const auto sign = found.signs[found.rows() == 1 ? 0 : channel];
    for (const auto value : found.row(channel))
        for (std::int64_t near = -1; near <= 1; ++near)
            list.push_back(std::clamp(sign * value + near, found.range.min, found.range.max));
    return list;
}

std::size_t wrong_results(const Graph& graph, const Layer& layer, const Thresholds& found) {
    REQUIRE(layer.activation->nodes.size() == 1);
    const auto& node = graph.nodes[layer.activation->nodes[0]];
    Tensor x = graph[node.inputs[0]], y = graph[node.outputs[0]];
    std::size_t wrong = 0;
    const auto channels = static_cast<std::size_t>(layer.output_channels);
    for (auto* tensor : {&x, &y}) {
        const auto axis = tensor->layout == Layout::nchw ? 1 : tensor->shape.size() - 1;
        tensor->shape.assign(tensor->shape.size(), 1);
        tensor->shape[axis] = layer.output_channels;
    }
    std::vector<std::vector<std::int64_t>> tries;
    std::size_t longest = 0;
    for (std::size_t c = 0; c < channels; ++c) {
        tries.push_back(worth_trying(found, c));
        longest = std::max(longest, tries.back().size());
    }
    for (std::size_t i = 0; i < longest; ++i) {
        Values values;
        for (const auto& list : tries)
            values.integers.push_back(static_cast<std::int32_t>(list[i % list.size()]));
        std::vector<const Tensor*> operands{&x};
        std::vector<const Values*> operand_values{&values};
        for (std::size_t k = 1; k < node.inputs.size(); ++k)
            operands.push_back(&graph[node.inputs[k]]),
                operand_values.push_back(&*graph[node.inputs[k]].constant);
        const auto made = run_node({node, operands, y}, operand_values);
        REQUIRE_MESSAGE(made, made.error().message);
        for (std::size_t c = 0; c < channels; ++c)
            wrong += found.apply(c, values.integers[c]) != made->integers[c];
    }
    return wrong;
}

}  // namespace

TEST_CASE("every activation of the real networks") {
    std::vector<std::filesystem::path> files{source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx"};
    for (const char* name : {"cnv_w2a2", "kws_mlp_w3a3", "tfc_1w1a", "tfc_2w2a", "unsw_nb15_mlp_w2a2"})
        if (const auto file = data_file("models/" + std::string(name) + ".onnx")) files.push_back(*file);
    for (const auto& file : files) {
        const auto model = load(file);
        const auto view = layers_of(model.graph());
        std::size_t compared = 0;
        for (const auto& layer : view.layers) {
            if (!layer.activation || layer.kind == LayerKind::add || !layer.input_type.is_integer()) continue;
            CAPTURE(layer.name);
            const auto found = thresholds_of(model.graph(), layer);
            REQUIRE_MESSAGE(found, found.error().message);
            CHECK(is_canonical(*found));
            CHECK(wrong_results(model.graph(), layer, *found) == 0);
            ++compared;
        }
        CHECK(compared >= 3);
    }
}
