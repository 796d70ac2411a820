// The layer view of small networks made by hand.
#include "model/layers/layers.hpp"

#include <doctest/doctest.h>

#include "model/layers/cuts.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

// A convolution with a bias and thresholds, a branch round a second one, and a pool.
OnnxMaker residual_network() {
    OnnxMaker maker;
    maker.input("x", {1, 2, 6, 6}).annotate("x", "UINT4");
    maker.constant("w0", {4, 2, 3, 3}, std::vector<float>(72, -1)).annotate("w0", "INT2");
    maker.constant("b0", {1, 4, 1, 1}, {1, 2, 3, 4});
    maker.constant("t", {4, 3}, {-90, -60, -30, -80, -50, -20, -70, -40, -10, -60, -40, -20});
    set(maker.node("Conv", {"x", "w0"}, "c0"), "pads", Extents{1, 1, 1, 1});
    maker.node("Add", {"c0", "b0"}, "biased");
    maker.node("MultiThreshold", {"biased", "t"}, "q", "qonnx.custom_op.general");
    maker.annotate("q", "UINT2");
    maker.constant("w1", {4, 1, 3, 3}, std::vector<float>(36, 1)).annotate("w1", "BIPOLAR");
    auto& depthwise = maker.node("Conv", {"q", "w1"}, "c1");
    set(depthwise, "pads", Extents{1, 1, 1, 1}), set(depthwise, "group", 4);
    maker.node("Add", {"q", "c1"}, "sum");
    auto& pool = maker.node("MaxPool", {"sum"}, "p");
    set(pool, "kernel_shape", Extents{2, 2}), set(pool, "strides", Extents{2, 2});
    maker.node("Flatten", {"p"}, "flat");
    maker.constant("w2", {36, 5}, std::vector<float>(180, 1));
    maker.node("MatMul", {"flat", "w2"}, "y");
    return maker.output("y");
}

std::vector<std::string> names(const LayerView& view) {
    std::vector<std::string> list;
    for (const auto& layer : view.layers)
        list.push_back(layer.name);
    return list;
}

std::vector<std::string> tensor_names(const Graph& graph, const std::vector<TensorId>& ids) {
    std::vector<std::string> list;
    for (const auto id : ids)
        list.push_back(graph[id].name);
    return list;
}

}  // namespace

TEST_CASE("a layer has its bias and its thresholds, its matrix, window and types") {
    const auto model = residual_network().import();
    REQUIRE_MESSAGE(model, model.error().message);
    const auto view = layers_of(model->graph());
    CHECK(names(view) == std::vector<std::string>{"c0", "c1", "sum", "p", "flat", "y"});

    const auto& first = view.layers[0];
    CHECK(first.kind == LayerKind::convolution);
    CHECK(first.nodes.size() == 3);
    CHECK(first.reads == std::vector<std::optional<std::size_t>>{std::nullopt});
    CHECK(first.mw == 18);
    CHECK(first.mh == 4);
    CHECK(first.window.kernel == Extent2{3, 3});
    CHECK(first.window.pads == Pads{1, 1, 1, 1});
    CHECK(first.window.output == Extent2{6, 6});
    CHECK(first.vectors == 36);
    CHECK(first.input_type == DataType::uint(4));
    CHECK(first.output_type == DataType::uint(2));
    REQUIRE(first.weights);
    CHECK(first.weights->type == DataType::sint(2));
    CHECK(first.weights->narrowest == DataType::sint(1));
    CHECK(first.accumulator == Range{-269, 4});
    CHECK(first.accumulator_bits() == 10);
    REQUIRE(first.activation);
    CHECK(first.activation->steps == 3);
    CHECK(first.activation->per_channel);
    CHECK(first.fan_out == 2);
    CHECK(first.macs == 72 * 36);
    CHECK(first.parameters == 72 + 4);

    const auto& second = view.layers[1];
    CHECK(second.kind == LayerKind::depthwise);
    CHECK(second.groups == 4);
    CHECK(second.mw == 9);
    CHECK(second.mh == 4);
    CHECK(second.weights->type == DataType::bipolar());
    CHECK(second.weights->narrowest == DataType::bipolar());
    CHECK(!second.activation);
    CHECK(view.layers[2].kind == LayerKind::add);
    CHECK(view.layers[2].reads == std::vector<std::optional<std::size_t>>{0, 1});
    CHECK(view.layers[3].kind == LayerKind::max_pool);
    CHECK(view.layers[4].kind == LayerKind::move);
    CHECK(view.layers[5].kind == LayerKind::matrix);
    CHECK(view.layers[5].vectors == 1);
    CHECK(view.layers[5].fan_out == 1);  // the network's result
    for (NodeId node = 0; node < model->graph().nodes.size(); ++node) {
        const auto& layer = view.layers[view.layer_of[node]];
        CHECK(std::ranges::find(layer.nodes, node) != layer.nodes.end());
    }
}

TEST_CASE("legal cuts lie between layers and carry all that crosses") {
    const auto model = residual_network().import();
    REQUIRE_MESSAGE(model, model.error().message);
    const auto view = layers_of(model->graph());
    const auto cuts = legal_cuts(view);
    REQUIRE(cuts.size() == 5);
    const auto crossing = [&](std::size_t i) { return tensor_names(model->graph(), cuts[i].tensors); };
    CHECK(crossing(0) == std::vector<std::string>{"q"});
    CHECK(crossing(1) == std::vector<std::string>{"q", "c1"});
    CHECK(crossing(2) == std::vector<std::string>{"sum"});
    CHECK(crossing(4) == std::vector<std::string>{"flat"});
    CHECK(cuts[0].after == 0);
    CHECK(cuts[0].bytes == 36);                // 144 elements of 2 bits
    CHECK(cuts[1].bytes == 36 + 144 * 5 / 8);  // and as many of 5 bits

    CHECK(legal_cuts(view, CutInside::never, 1).size() == 4);

    const auto more = legal_cuts(view, CutInside::before_activations);
    REQUIRE(more.size() == 6);
    CHECK(more[0].before_activation);
    CHECK(more[0].after == 0);
    CHECK(tensor_names(model->graph(), more[0].tensors) == std::vector<std::string>{"biased"});
    CHECK(!more[1].before_activation);
}

TEST_CASE("no cut goes through a group that stands for one operator, and names are unique") {
    OnnxMaker maker;
    maker.input("x", {1, 4}).constant("s", {}, {0.5F}).integers("z", {}, {0});
    maker.constant("w", {4, 3}, std::vector<float>(12, 1)).annotate("w", "INT2");
    maker.node("QuantizeLinear", {"x", "s"}, "qx").set_name("same");
    maker.node("DequantizeLinear", {"qx", "s"}, "dx").set_name("same");
    maker.node("MatMul", {"dx", "w"}, "m").set_name("same");
    maker.node("QuantizeLinear", {"m", "s"}, "qm").set_name("same");
    maker.node("DequantizeLinear", {"qm", "s"}, "y").set_name("same");
    maker.output("y");
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    const auto view = layers_of(model->graph());
    auto list = names(view);
    std::ranges::sort(list);
    CHECK(std::ranges::adjacent_find(list) == list.end());
    for (const auto& cut : legal_cuts(view, CutInside::before_activations))
        for (const auto id : cut.tensors)
            CHECK(!model->graph()[id].inner);
}

TEST_CASE("weights keep the type that they are stored as, through moves and turned signs") {
    OnnxMaker maker;
    maker.input("x", {1, 4}).annotate("x", "BIPOLAR");
    maker.constant("w", {3, 4}, {0.5F, -0.5F, 0.5F, 0.5F, -0.5F, 0.5F, 0.5F, -0.5F, 0.5F, 0.5F, 0.5F, 0.5F});
    maker.constant("half", {}, {0.5F}).constant("one", {}, {1});
    maker.constant("factor", {3}, {1, -1, 2}).constant("shift", {3}, {0.5F, 0.25F, 0});
    maker.node("BipolarQuant", {"w", "half"}, "q", "onnx.brevitas");
    set(maker.node("Transpose", {"q"}, "t"), "perm", Extents{1, 0});
    maker.node("MatMul", {"x", "t"}, "m");
    maker.node("Mul", {"m", "factor"}, "scaled");
    maker.node("Add", {"scaled", "shift"}, "shifted");
    maker.node("BipolarQuant", {"shifted", "one"}, "y", "onnx.brevitas");
    maker.output("y");
    const auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    const auto view = layers_of(model->graph());
    REQUIRE(view.layers.size() == 1);
    CHECK(view.layers[0].weights->type == DataType::bipolar());
    CHECK(view.layers[0].input_type == DataType::bipolar());
    CHECK(view.layers[0].output_type == DataType::bipolar());
}

TEST_CASE("a product along the columns of an image has its outputs there") {
    OnnxMaker maker;
    maker.input("x", {1, 3, 2, 4}).annotate("x", "INT4");
    maker.constant("w", {4, 5}).constant("t", {3, 2}).constant("b", {5});
    maker.node("MatMul", {"x", "w"}, "m");
    maker.node("Add", {"m", "b"}, "biased");
    maker.node("MultiThreshold", {"biased", "t"}, "y", "qonnx.custom_op.general");
    const auto model = maker.output("y").import();
    REQUIRE_MESSAGE(model, model.error().message);
    const auto view = layers_of(model->graph());
    REQUIRE(view.layers.size() == 2);
    CHECK(view.layers[0].channel_axis == 3);
    CHECK(view.layers[0].input_channels == 4);
    CHECK(view.layers[0].output_channels == 5);
    CHECK(view.layers[0].vectors == 6);
    CHECK(view.layers[0].biases.size() == 1);
    CHECK(!view.layers[0].activation);  // whose channels are others
    CHECK(view.layers[1].output_channels == 3);
}
