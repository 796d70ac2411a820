// Parts of graphs compute what the whole does.
#include "model/layers/subgraph.hpp"

#include <doctest/doctest.h>

#include <random>

#include "model/layers/cuts.hpp"
#include "model/reference.hpp"
#include "tests/model/channels.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

std::vector<Values> some_inputs(const Graph& graph, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<Values> inputs;
    for (const auto id : graph.inputs) {
        const auto& tensor = graph[id];
        Values values;
        for (std::size_t i = 0; i < tensor.elements(); ++i) {
            if (!tensor.type.is_integer()) {
                values.floats.push_back(std::uniform_real_distribution<float>(-3, 3)(random));
                continue;
            }
            const bool bipolar = tensor.type == DataType::bipolar();
            const auto range = *tensor.range;
            const auto drawn = std::uniform_int_distribution<std::int64_t>(range.min, range.max)(random);
            values.integers.push_back(static_cast<std::int32_t>(bipolar ? (drawn > 0 ? 1 : -1) : drawn));
        }
        inputs.push_back(std::move(values));
    }
    return inputs;
}

std::vector<Values> outputs_of(const Graph& graph, std::vector<Values> inputs) {
    auto made = run_reference(graph, std::move(inputs));
    REQUIRE_MESSAGE(made, made.error().message);
    return *std::move(made);
}

// The graph is written and read again first.
std::vector<Values> outputs_as_read(const Graph& graph, std::vector<Values> inputs) {
    const auto stage = stage_of(graph);
    REQUIRE_MESSAGE(stage, stage.error().message);
    CHECK(checker_passes(stage->onnx));
    const auto model = Model::parse(stage->onnx, "part");
    REQUIRE_MESSAGE(model, model.error().message);
    CHECK(model->inputs() == stage->inputs);
    CHECK(model->outputs() == stage->outputs);
    return outputs_of(model->graph(), std::move(inputs));
}

// Every split of a graph of one output into `parts` ranges of channels.
void check_channels(const Graph& graph, std::int64_t parts) {
    const auto& output = graph[graph.outputs[0]];
    const auto axis = output.layout == Layout::nchw ? 1 : output.shape.size() - 1;
    const auto channels = output.shape[axis];
    if (channels < parts) return;
    CAPTURE(output.name);
    const auto inputs = some_inputs(graph, 7);
    std::vector<Values> made;
    for (std::int64_t part = 0; part < parts; ++part) {
        const auto first = channels * part / parts, end = channels * (part + 1) / parts;
        const auto some = with_channels(graph, {first, end - first});
        REQUIRE_MESSAGE(some, some.error().message);
        made.push_back(outputs_as_read(*some, inputs)[0]);
        CHECK(made.back() == outputs_of(*some, inputs)[0]);
    }
    CHECK(joined(made, output.shape, axis) == outputs_of(graph, inputs)[0]);
}

// Every prefix that ends where one tensor crosses, split into channels; and every cut into two graphs.
void check_parts(const Model& model) {
    const auto& graph = model.graph();
    const auto view = layers_of(graph);
    const auto inputs = some_inputs(graph, 3);
    const auto whole = outputs_of(graph, inputs);
    for (const auto& cut : legal_cuts(view)) {
        const auto before = subgraph(graph, part_of(view, 0, cut.after, "before"));
        const auto behind = subgraph(graph, part_of(view, cut.after + 1, view.layers.size() - 1, "behind"));
        CHECK(outputs_of(behind, outputs_of(before, inputs)) == whole);
        CHECK(outputs_as_read(behind, outputs_as_read(before, inputs)) == whole);
        if (before.outputs.size() != 1) continue;
        for (const std::int64_t parts : {1, 2, 3})
            check_channels(before, parts);
    }
    if (graph.outputs.size() == 1)
        check_channels(subgraph(graph, part_of(view, 0, view.layers.size() - 1, "whole")), 2);
}

OnnxMaker branching_network() {
    OnnxMaker maker;
    maker.input("x", {1, 2, 5, 5}).annotate("x", "UINT4");
    maker.constant("w0", {6, 2, 3, 3}).annotate("w0", "INT8");
    maker.constant("b0", {6}, {1, 2, 3, -4, 5, 6});
    maker.constant("t", {6, 3});
    set(maker.node("Conv", {"x", "w0", "b0"}, "c0"), "pads", Extents{1, 1, 1, 1});
    maker.node("MultiThreshold", {"c0", "t"}, "q", "qonnx.custom_op.general");
    maker.constant("w1", {6, 1, 3, 3}, std::vector<float>(54, -1)).constant("w2", {6, 3, 1, 1});
    auto& depthwise = maker.node("Conv", {"q", "w1"}, "c1");
    set(depthwise, "pads", Extents{1, 1, 1, 1}), set(depthwise, "group", 6);
    set(maker.node("Conv", {"q", "w2"}, "grouped"), "group", 2);
    maker.node("Add", {"grouped", "c1"}, "sum");
    maker.constant("factor", {1, 6, 1, 1}, {1, -2, 3, 1, 0, 2});
    maker.node("Mul", {"sum", "factor"}, "scaled");
    maker.node("Relu", {"scaled"}, "r");
    auto& pool = maker.node("MaxPool", {"r"}, "p");
    set(pool, "kernel_shape", Extents{2, 2}), set(pool, "strides", Extents{2, 2});
    set(maker.node("Concat", {"p", "p"}, "both"), "axis", 1);
    maker.node("Flatten", {"both"}, "flat");
    maker.constant("w3", {48, 7}, std::vector<float>(336, 1)).constant("b3", {7});
    maker.node("Gemm", {"flat", "w3", "b3"}, "g");
    maker.constant("t3", {7, 2});
    maker.node("MultiThreshold", {"g", "t3"}, "y", "qonnx.custom_op.general");
    return maker.output("y");
}

OnnxMaker quantized_network() {
    OnnxMaker maker;
    maker.input("x", {1, 3, 4, 4});
    maker.constant("sx", {}, {0.05F})
        .constant("sw", {4}, {0.1F, 0.2F, 0.15F, 0.4F})
        .constant("sy", {}, {0.7F});
    maker.constant("one", {}, {0.25F}).integers("zero64", {}, {3});
    set(maker.node("Cast", {"zero64"}, "zero"), "to", onnx::TensorProto::UINT8);
    std::vector<std::int64_t> weights;
    for (int i = 0; i < 12; ++i)
        weights.push_back(i * 17 % 11 - 5);
    maker.integers("w64", {4, 3, 1, 1}, weights);
    set(maker.node("Cast", {"w64"}, "w"), "to", onnx::TensorProto::INT8);
    maker.node("QuantizeLinear", {"x", "sx", "zero"}, "qx");
    maker.node("DequantizeLinear", {"qx", "sx", "zero"}, "dx");
    set(maker.node("DequantizeLinear", {"w", "sw"}, "dw"), "axis", 0);
    maker.node("Conv", {"dx", "dw"}, "c");
    maker.node("QuantizeLinear", {"c", "sy", "zero"}, "qc");
    maker.node("DequantizeLinear", {"qc", "sy", "zero"}, "dc");
    maker.node("GlobalAveragePool", {"dc"}, "pool");
    maker.node("QuantizeLinear", {"pool", "one", "zero"}, "qp");
    maker.node("DequantizeLinear", {"qp", "one", "zero"}, "y");
    return maker.output("y");
}

// Of these fractions those of the second channel are whole.
OnnxMaker fractions_network() {
    OnnxMaker maker;
    maker.input("x", {1, 2, 2, 2}).annotate("x", "UINT2");
    maker.constant("w", {2, 2, 1, 1}, {0.5F, 1, 2, 3}).constant("b", {1, 2, 1, 1}, {0.25F, 1});
    maker.node("Conv", {"x", "w"}, "c");
    maker.node("Add", {"c", "b"}, "y");
    return maker.output("y");
}

}  // namespace

TEST_CASE("graphs are divided at every legal cut and by every range of channels") {
    for (const auto& maker : {branching_network(), quantized_network(), fractions_network()}) {
        const auto model = maker.import();
        REQUIRE_MESSAGE(model, model.error().message);
        check_parts(*model);
    }
}

TEST_CASE("a range of channels is computed with its own weights alone") {
    OnnxMaker maker;
    maker.input("x", {1, 4}).annotate("x", "UINT4");
    maker.constant("w", {4, 6}).constant("t", {6, 3});
    maker.node("MatMul", {"x", "w"}, "m");
    maker.node("MultiThreshold", {"m", "t"}, "y", "qonnx.custom_op.general");
    maker.output("y");
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    const auto some = with_channels(model->graph(), {2, 3});
    REQUIRE_MESSAGE(some, some.error().message);
    REQUIRE(some->nodes.size() == 2);
    CHECK((*some)[some->nodes[0].inputs[1]].shape == Shape{4, 3});
    CHECK((*some)[some->nodes[1].inputs[1]].shape == Shape{3, 3});
    CHECK((*some)[some->outputs[0]].name == "y_channels_2_4");
    CHECK((*some)[some->outputs[0]].shape == Shape{1, 3});
    for (const auto& [first, count] : {std::pair{-1, 2}, std::pair{0, 0}, std::pair{5, 2}, std::pair{0, 7}})
        CHECK(!with_channels(model->graph(), {first, count}));
}
