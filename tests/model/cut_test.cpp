#include <doctest/doctest.h>

#include "model/reference.hpp"
#include "tests/model/data.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

using Wire = std::vector<std::byte>;

std::vector<Wire> run_wire(const Model& model, const std::vector<Wire>& inputs) {
    const std::vector<std::span<const std::byte>> spans(inputs.begin(), inputs.end());
    auto outputs = run_reference_wire(model.graph(), spans);
    REQUIRE_MESSAGE(outputs, outputs.error().message);
    return *outputs;
}

// Runs the stages one after the other, each imported from its own bytes.
std::vector<Wire> run_stages(const std::vector<Stage>& stages, std::vector<Wire> tensors) {
    for (std::size_t i = 0; i < stages.size(); ++i) {
        CHECK(checker_passes(stages[i].onnx));
        const auto model = Model::parse(stages[i].onnx, "stage " + std::to_string(i));
        REQUIRE_MESSAGE(model, model.error().message);
        CHECK(model->inputs() == stages[i].inputs);
        CHECK(model->outputs() == stages[i].outputs);
        if (i > 0) CHECK(stages[i].inputs == stages[i - 1].outputs);
        tensors = run_wire(*model, tensors);
    }
    return tensors;
}

// x -> a -> b -> sum -> y, and a -> sum: a residual network.
OnnxMaker residual() {
    OnnxMaker maker;
    maker.input("x", {1, 2, 4, 4}).annotate("x", "UINT4");
    maker.constant("w", {3, 2, 3, 3}).constant("v", {3, 3, 1, 1});
    set(maker.node("Conv", {"x", "w"}, "a"), "pads", Extents{1, 1, 1, 1});
    maker.node("Relu", {"a"}, "r");
    maker.node("Conv", {"r", "v"}, "b");
    maker.node("Add", {"b", "r"}, "sum");
    maker.node("Flatten", {"sum"}, "y");
    maker.output("y");
    return maker;
}

Wire some_image(const Model& model) {
    Wire wire(model.inputs()[0].wire_bytes());
    for (std::size_t i = 0; i < wire.size(); ++i)
        wire[i] = static_cast<std::byte>(i * 37 + 11);
    return wire;
}

std::string refusal(const Model& model, const std::vector<std::vector<std::string>>& cuts) {
    const auto stages = cut(model, cuts);
    REQUIRE(!stages);
    CHECK(stages.error().fault == Fault::invalid_input);
    return stages.error().message;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("CnvW2A2 cut anywhere equals the whole") {
    auto model = Model::load(source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx");
    REQUIRE_MESSAGE(model, model.error().message);
    const auto image = some_image(*model);
    const auto whole = run_wire(*model, {image});
    const auto positions = model->cut_tensors();
    CHECK(positions.size() == 21);
    for (const auto& position : positions) {
        CAPTURE(position);
        const auto stages = cut(*model, {{position}});
        REQUIRE_MESSAGE(stages, stages.error().message);
        REQUIRE(stages->size() == 2);
        CHECK(run_stages(*stages, {image}) == whole);
    }
}

TEST_CASE("MobileNetV1 is cut into six stages that hold their own weights alone") {
    auto model = Model::load(source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx");
    REQUIRE_MESSAGE(model, model.error().message);
    const auto stages =
        cut(*model,
            {{"Threshold_conv_4"}, {"Threshold_conv_8"}, {"Threshold_conv_12"}, {"Conv_20"}, {"PoolSum"}});
    REQUIRE_MESSAGE(stages, stages.error().message);
    REQUIRE(stages->size() == 6);
    std::size_t bytes = 0, layers = 0;
    for (const auto& stage : *stages) {
        CHECK(checker_passes(stage.onnx));
        const auto part = Model::parse(stage.onnx, "stage");
        REQUIRE_MESSAGE(part, part.error().message);
        CHECK(part->inputs() == stage.inputs);
        CHECK(part->outputs() == stage.outputs);
        bytes += stage.onnx.size();
        layers += stage.layers.size();
    }
    CHECK(bytes < 3'700'000);
    CHECK(layers == model->graph().nodes.size());
    CHECK((*stages)[0].outputs[0].shape == std::vector<std::int64_t>{1, 56, 56, 128});
    CHECK((*stages)[4].outputs[0].type == DataType::uint(10));
}

TEST_CASE("the cut of CnvW2A2 of BNN-PYNQ after its last convolution is 64 bytes") {
    const auto network = data_file("models/cnv_w2a2.onnx");
    if (!network) return;
    auto model = Model::load(*network);
    REQUIRE_MESSAGE(model, model.error().message);
    const auto stages = cut(*model, {{"MultiThreshold_6"}});
    REQUIRE_MESSAGE(stages, stages.error().message);
    REQUIRE(stages->size() == 2);
    CHECK((*stages)[0].outputs[0] ==
          TensorDesc{"MultiThreshold_6", {1, 1, 1, 256}, "NHWC", DataType::sint(2), "FLOAT32"});
    CHECK((*stages)[0].outputs[0].wire_bytes() == 64);
    const auto image = some_image(*model);
    CHECK(run_stages(*stages, {image}) == run_wire(*model, {image}));
    for (const auto& position : model->cut_tensors()) {
        const auto two = cut(*model, {{position}});
        REQUIRE_MESSAGE(two, two.error().message);
        CHECK(checker_passes((*two)[0].onnx));
        CHECK(checker_passes((*two)[1].onnx));
    }
}

TEST_CASE("a residual network is cut where several tensors cross, and passes on what is needed later") {
    const auto model = residual().import();
    REQUIRE_MESSAGE(model, model.error().message);
    CHECK(model->cut_tensors() == std::vector<std::string>{"a", "r", "sum"});
    const auto image = some_image(*model);
    const auto whole = run_wire(*model, {image});

    const auto at_sum = cut(*model, {{"r"}, {"b", "r"}});
    REQUIRE_MESSAGE(at_sum, at_sum.error().message);
    REQUIRE(at_sum->size() == 3);
    CHECK((*at_sum)[1].outputs[1] ==
          (*at_sum)[0].outputs[0]);  // r, passed on by the stage that also reads it
    CHECK(run_stages(*at_sum, {image}) == whole);
    const auto swapped = cut(*model, {{"r", "b"}});
    REQUIRE_MESSAGE(swapped, swapped.error().message);
    CHECK((*swapped)[0].outputs[0].name == "r");  // in the order in which they were named
    CHECK(run_stages(*swapped, {image}) == whole);
}

TEST_CASE("a network's input and early output cross cuts too") {
    OnnxMaker maker;
    maker.input("x", {1, 4}).annotate("x", "INT4");
    maker.node("Relu", {"x"}, "a");
    maker.node("Add", {"a", "a"}, "b");
    maker.node("Sub", {"b", "x"}, "c");
    maker.output("a").output("c");
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    CHECK(model->cut_tensors().empty());
    CHECK(contains(refusal(*model, {{"a"}}), "'x' crosses it too"));
    CHECK(contains(refusal(*model, {{"b"}}), "'x', 'a' cross it too"));
    const auto stages = cut(*model, {{"a", "x"}, {"b", "x", "a"}});
    REQUIRE_MESSAGE(stages, stages.error().message);
    const auto input = some_image(*model);
    CHECK(run_stages(*stages, {input}) == run_wire(*model, {input}));
}

TEST_CASE("no cut gives the whole network") {
    const auto model = residual().import();
    REQUIRE(model);
    const auto stages = cut(*model, {});
    REQUIRE(stages);
    REQUIRE(stages->size() == 1);
    CHECK((*stages)[0].layers == std::vector<std::string>{"a", "r", "b", "sum", "y"});
    CHECK(run_stages(*stages, {some_image(*model)}) == run_wire(*model, {some_image(*model)}));
    CHECK((*stages)[0].onnx == (*cut(*model, {}))[0].onnx);
}

TEST_CASE("impossible cuts are refused with what is wrong") {
    const auto model = residual().import();
    REQUIRE(model);
    CHECK(contains(refusal(*model, {{"summ"}}),
                   "cut 1 ('summ'): the network has no tensor 'summ' (did you mean sum?)"));
    CHECK(contains(refusal(*model, {{"b"}}), "not a cut, 'r' crosses it too"));
    CHECK(contains(refusal(*model, {{"sum"}, {"a"}}), "cut 2 ('a') does not lie behind cut 1 ('sum')"));
    CHECK(contains(refusal(*model, {{"a"}, {"a"}}), "does not lie behind"));
    CHECK(contains(refusal(*model, {{"x"}}), "nothing is computed before it"));
    CHECK(contains(refusal(*model, {{"y"}}), "nothing is computed after it"));
    CHECK(contains(refusal(*model, {{}}), "nothing is computed before it"));
    CHECK(contains(refusal(*model, {{"w"}}), "'w' is a constant"));
    CHECK(contains(refusal(*model, {{"a", "a"}}), "names 'a' twice"));
    CHECK(contains(refusal(*model, {{"a", "r"}}), "nothing after it reads 'a'"));
}

TEST_CASE("stages keep the bounds of the whole network") {
    OnnxMaker maker;
    maker.input("x", {1, 4}).annotate("x", "UINT2").annotate("wide", "INT32");
    maker.constant("w", {4, 2}, {1, -1, 1, 1, -1, 1, 1, 1}).constant("bias", {2}, {100, -100});
    maker.node("MatMul", {"x", "w"}, "wide");
    maker.node("Add", {"wide", "bias"}, "y");
    maker.output("y");
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    CHECK(model->outputs()[0].type == DataType::sint(8));
    const auto stages = cut(*model, {{"wide"}});
    REQUIRE(stages);
    const auto second = Model::parse((*stages)[1].onnx, "second");
    REQUIRE_MESSAGE(second, second.error().message);
    CHECK(second->outputs() == model->outputs());
}

TEST_CASE("stages keep the layouts of the whole network") {
    for (const Extents& permutation : {Extents{0, 2, 3, 1}, Extents{1, 0, 3, 2}, Extents{0, 1, 2, 3}}) {
        OnnxMaker maker;
        maker.input("x", {1, 2, 3, 4}).annotate("x", "UINT4").output("y");
        set(maker.node("Transpose", {"x"}, "t"), "perm", permutation);
        maker.node("Relu", {"t"}, "y");
        const auto model = maker.import();
        REQUIRE_MESSAGE(model, model.error().message);
        const auto stages = cut(*model, {{"t"}});
        REQUIRE_MESSAGE(stages, stages.error().message);
        CHECK(run_stages(*stages, {some_image(*model)}) == run_wire(*model, {some_image(*model)}));
    }
}
