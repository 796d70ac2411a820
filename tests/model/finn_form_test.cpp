// Forms in FINN of stages made by hand: what they compute, and why there is none.
#include "model/layers/finn_form.hpp"

#include <doctest/doctest.h>

#include <random>

#include "model/reference.hpp"
#include "tests/has.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

constexpr const char* qonnx = "qonnx.custom_op.general";

Model imported(const OnnxMaker& maker) {
    auto model = maker.import();
    REQUIRE_MESSAGE(model, model.error().message);
    return *std::move(model);
}

// Elements in the order of the wire: channels of a pixel side by side.
std::vector<double> on_the_wire(const std::vector<double>& values, const Shape& shape) {
    if (shape.size() != 4) return values;
    const auto channels = static_cast<std::size_t>(shape[1]);
    const auto pixels = values.size() / channels;
    std::vector<double> list(values.size());
    for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t p = 0; p < pixels; ++p)
            list[p * channels + c] = values[c * pixels + p];
    return list;
}

// The form as an importer reads it, run on the stage's input: both borders in the order of the wire.
std::vector<double> run_form(const FinnForm& form, const std::vector<double>& wire) {
    const auto model = Model::parse(form.onnx, "form");
    REQUIRE_MESSAGE(model, model.error().message);
    const auto& graph = model->graph();
    CHECK(graph[graph.inputs[0]].shape == form.input);
    CHECK(graph[graph.outputs[0]].shape == form.output);
    const bool first = form.channels_first;
    auto input = wire;
    if (first && form.input.size() == 4) {
        const auto channels = static_cast<std::size_t>(form.input[1]);
        for (std::size_t i = 0; i < wire.size(); ++i)
            input[i % channels * (wire.size() / channels) + i / channels] = wire[i];
    }
    const auto output = run(*model, input);
    return first ? on_the_wire(output, form.output) : output;
}

FinnForm check_form(const OnnxMaker& maker, const FinnSettings& settings = {}) {
    const auto model = imported(maker);
    const auto& graph = model.graph();
    auto form = finn_form(graph, settings);
    REQUIRE_MESSAGE(form, form.error().message);
    CHECK(checker_passes(form->onnx));
    const auto& input = graph[graph.inputs[0]];
    std::mt19937 random(5);
    for (int chunk = 0; chunk < 3; ++chunk) {
        std::vector<double> x;
        for (std::size_t i = 0; i < input.elements(); ++i) {
            const bool bipolar = input.type == DataType::bipolar();
            const auto drawn =
                std::uniform_int_distribution<std::int64_t>(input.range->min, input.range->max)(random);
            x.push_back(static_cast<double>(bipolar ? (drawn > 0 ? 1 : -1) : drawn));
        }
        CHECK(run_form(*form, on_the_wire(x, input.shape)) ==
              on_the_wire(run(model, x), graph[graph.outputs[0]].shape));
    }
    return *std::move(form);
}

std::string refusal(const OnnxMaker& maker, const FinnSettings& settings = {}) {
    const auto form = finn_form(imported(maker).graph(), settings);
    REQUIRE(!form);
    CHECK(form.error().fault == Fault::unsupported);
    return form.error().message;
}

OnnxMaker with_input(const Extents& shape, const char* type) {
    OnnxMaker maker;
    maker.input("x", shape).annotate("x", type);
    return maker;
}

void add_thresholds(OnnxMaker& maker, const std::string& from, const std::string& to, std::int64_t rows,
                    std::int64_t steps, double bias = 0) {
    std::vector<float> values;
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t s = 0; s < steps; ++s)
            values.push_back(static_cast<float>(s * 7 - r * 3 - 5));
    maker.constant(to + "_t", {rows, steps}, values);
    set(maker.node("MultiThreshold", {from, to + "_t"}, to, qonnx), "out_bias", bias);
}

onnx::NodeProto& add_conv(OnnxMaker& maker, const std::string& from, const std::string& to,
                          const Extents& weights, std::int64_t pad, std::int64_t group = 1) {
    std::vector<float> values(elements(weights));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<float>(i * 5 % 7) - 3;
    maker.constant(to + "_w", weights, values).annotate(to + "_w", "INT4");
    auto& node = maker.node("Conv", {from, to + "_w"}, to);
    set(node, "pads", Extents{pad, pad, pad, pad}), set(node, "group", group);
    return node;
}

}  // namespace

TEST_CASE("convolutions are lowered, channels last, with their biases in the thresholds") {
    auto maker = with_input({1, 3, 6, 5}, "UINT4");
    set(add_conv(maker, "x", "c0", {4, 3, 3, 2}, 1), "strides", Extents{2, 1});
    maker.constant("b", {4, 1, 1}, {3, -2, 0, 11});
    maker.node("Add", {"c0", "b"}, "biased");
    add_thresholds(maker, "biased", "q", 4, 3);
    add_conv(maker, "q", "c1", {2, 4, 1, 1}, 0);
    add_thresholds(maker, "c1", "y", 2, 2, -1);
    maker.output("y");
    const auto form = check_form(maker);
    CHECK(!form.channels_first);
    CHECK(form.input == Shape{1, 6, 5, 3});
    CHECK(form.output == Shape{1, 3, 6, 2});
}

TEST_CASE("a vector that was an image is a window over all of it, or was a vector from the start") {
    auto maker = with_input({1, 2, 4, 4}, "UINT4");
    add_conv(maker, "x", "c0", {3, 2, 3, 3}, 0);
    add_thresholds(maker, "c0", "q", 3, 3);
    maker.node("Flatten", {"q"}, "flat");
    maker.constant("w", {12, 5}, std::vector<float>(60, 1)).constant("b", {5}, {1, 2, 3, 4, 5});
    for (int i = 0; i < 60; i += 7)
        maker.proto().mutable_graph()->mutable_initializer(2)->set_float_data(i, -2);
    maker.node("Gemm", {"flat", "w", "b"}, "y");
    maker.output("y");
    CHECK(check_form(maker).output == Shape{1, 1, 1, 5});
    const auto units = finn_units(layers_of(imported(maker).graph())).units;
    REQUIRE(units.size() == 5);
    CHECK(units[2].kind == FinnKind::window);
    CHECK(units[2].kernel == Extent2{2, 2});
    CHECK(units[2].channels == 3);

    auto flat = with_input({1, 2, 3, 3}, "INT4");
    flat.node("Flatten", {"x"}, "f");
    add_thresholds(flat, "f", "q", 18, 2);
    flat.constant("w", {18, 3}).node("MatMul", {"q", "w"}, "m");
    add_thresholds(flat, "m", "y", 3, 1);
    flat.output("y");
    CHECK(check_form(flat).input == Shape{1, 18});
}

TEST_CASE("pools, depthwise convolutions, and sums over the image") {
    auto maker = with_input({1, 4, 6, 6}, "UINT4");
    add_conv(maker, "x", "c0", {4, 1, 3, 3}, 1, 4);
    add_thresholds(maker, "c0", "q0", 4, 15);
    auto& pool = maker.node("MaxPool", {"q0"}, "p");
    set(pool, "kernel_shape", Extents{2, 2}), set(pool, "strides", Extents{2, 2});
    auto pooled = maker;
    CHECK(check_form(pooled.output("p")).channels_first);
    set(maker.node("ReduceSum", {"p"}, "sum"), "keepdims", 1);
    maker.integers("axes", {2}, {2, 3});
    maker.proto().mutable_graph()->mutable_node(3)->add_input("axes");
    maker.output("sum");
    const auto sums = finn_form(imported(maker).graph());
    REQUIRE_MESSAGE(
        sums, sums.error().message);  // a mean times the number of pixels, which only FINN takes for integers
    CHECK(sums->channels_first);

    auto mean = with_input({1, 3, 5, 5}, "UINT4");
    add_conv(mean, "x", "c", {4, 3, 2, 2}, 0);
    add_thresholds(mean, "c", "q", 4, 15);
    auto& average = mean.node("QuantAvgPool2d", {"q"}, "y", qonnx);
    for (const auto& [key, value] :
         {std::pair{"kernel", 2}, std::pair{"stride", 2}, std::pair{"ibits", 4}, std::pair{"obits", 4}})
        set(average, key, value);
    set(average, "data_layout", "NCHW");
    mean.output("y");
    CHECK(!check_form(mean).channels_first);
}

TEST_CASE("numbers before a product move behind it, and falling thresholds turn the weights") {
    auto maker = with_input({1, 5}, "BIPOLAR");
    maker.constant("one", {}, {1}).constant("w", {5, 3}, {1, -1, 2, 3, 0, 1, -2, 1, 1, 1, 2, -3, 3, 1, 0});
    maker.node("Add", {"x", "one"}, "moved").set_name("moved");
    maker.node("MatMul", {"moved", "w"}, "m");
    maker.constant("t", {3, 1}, {2, 1, -1});
    auto& thresholds = maker.node("MultiThreshold", {"m", "t"}, "y", qonnx);
    set(thresholds, "out_scale", -2.0), set(thresholds, "out_bias", 1.0);
    maker.annotate("y", "BIPOLAR").output("y");
    check_form(maker);
}

TEST_CASE("a network ends in the places of its largest scores, whatever scales them") {
    auto maker = with_input({1, 6}, "UINT4");
    maker.constant("w", {6, 5}, {1, 2, 3, -4, 5, -1, 2, 0, 4, 1, 2, 2, -3, 1, 0,
                                 3, 1, 1, -1, 2, 0,  0, 1, 2, 1, 1, 3, 2,  1, -2});
    maker.constant("s", {}, {0.25F}).integers("k", {1}, {3});
    maker.node("MatMul", {"x", "w"}, "m");
    maker.node("Mul", {"m", "s"}, "scores");
    auto& top = maker.node("TopK", {"scores", "k"}, "values");
    top.add_output("places");
    set(top, "axis", -1);
    const auto form = check_form(maker.output("places", onnx::TensorProto::INT64));
    CHECK(form.output == Shape{1, 3});
}

TEST_CASE("pixels that are only cast are what FINN takes") {
    for (const auto type : {onnx::TensorProto::FLOAT, onnx::TensorProto::INT32}) {
        CAPTURE(type);
        OnnxMaker maker;
        maker.input("x", {1, 3, 4, 4}, onnx::TensorProto::UINT8);
        set(maker.node("Cast", {"x"}, "pixels"), "to", std::int64_t{type});
        auto from = std::string("pixels");
        if (type != onnx::TensorProto::FLOAT) set(maker.node("Cast", {from}, "floats"), "to", std::int64_t{onnx::TensorProto::FLOAT}), from = "floats";
        add_conv(maker, from, "c", {2, 3, 3, 3}, 0);
        add_thresholds(maker, "c", "y", 2, 3);
        check_form(maker.output("y"));
        const auto model = imported(maker);
        const auto network = finn_units(layers_of(model.graph()));
        CHECK(network.outside.empty());
        CHECK(network.units[0].inputs == DataType::uint(8));
    }
}

TEST_CASE("FINN's own choice of RTL goes by the type that weights are said to have, and by its lowest value on the 7 series") {
    const auto chooses_rtl = [](const char* type, std::vector<float> weights, bool dsp48e1) {
        auto maker = with_input({1, 2}, "UINT4");
        maker.constant("w", {2, 2}, weights).annotate("w", type);
        maker.node("MatMul", {"x", "w"}, "y");
        const auto model = imported(maker.output("y"));
        return finn_units(layers_of(model.graph()), {.dsp48e1 = dsp48e1}).units.at(0).rtl;
    };
    for (const bool dsp48e1 : {false, true}) {
        CHECK(chooses_rtl("INT4", {7, -7, 3, 1}, dsp48e1));
        CHECK(chooses_rtl("INT4", {1, -1, 0, 1}, dsp48e1));
        CHECK(chooses_rtl("INT8", {1, -1, 0, 1}, dsp48e1));
        CHECK_FALSE(chooses_rtl("INT3", {1, -1, 3, 1}, dsp48e1));
        CHECK_FALSE(chooses_rtl("INT9", {1, -1, 0, 1}, dsp48e1));
        CHECK_FALSE(chooses_rtl("UINT4", {1, 0, 0, 1}, dsp48e1));
    }
    CHECK(chooses_rtl("INT4", {7, -8, 3, 1}, false));
    CHECK_FALSE(chooses_rtl("INT4", {7, -8, 3, 1}, true));
}

TEST_CASE("results above 0 alone, and a requantize of 8 bits") {
    auto above = with_input({1, 4}, "INT4");
    above.constant("w", {4, 3});
    above.node("MatMul", {"x", "w"}, "m");
    add_thresholds(above, "m", "y", 3, 2, 3);
    check_form(above.output("y"));

    auto quantized = with_input({1, 4}, "INT8");
    quantized.constant("w", {4, 3})
        .constant("s", {}, {7.3F})
        .constant("z", {}, {0})
        .constant("bits", {}, {8});
    quantized.node("MatMul", {"x", "w"}, "m");
    quantized.node("Quant", {"m", "s", "z", "bits"}, "q", "onnx.brevitas");
    quantized.constant("s2", {}, {7.3F});
    quantized.node("Div", {"q", "s2"}, "y");
    quantized.output("y");
    if (imported(quantized).outputs()[0].type.is_integer()) check_form(quantized);
}

TEST_CASE("what FINN's flow does not take is refused by the layer's name") {
    auto fractions = with_input({1, 4}, "FLOAT32");
    fractions.constant("s", {}, {0.5F});
    fractions.node("QuantizeLinear", {"x", "s"}, "q").set_name("first_quantizer");
    fractions.output("q", onnx::TensorProto::UINT8);
    CHECK(
        has(refusal(fractions), "'first_quantizer' (quantize) has no form in FINN: it quantizes fractions"));

    auto grouped = with_input({1, 4, 3, 3}, "UINT4");
    add_conv(grouped, "x", "g", {4, 2, 1, 1}, 0, 2).set_name("grouped");
    CHECK(has(refusal(grouped.output("g")), "'grouped' (convolution) has no form in FINN: it has groups"));

    auto padded = with_input({1, 2, 3, 3}, "BIPOLAR");
    add_conv(padded, "x", "p", {4, 2, 3, 3}, 1).set_name("padded");
    CHECK(has(refusal(padded.output("p")), "'padded' (convolution) has no form in FINN: it pads"));

    auto branch = with_input({1, 2, 3, 3}, "UINT4");
    add_conv(branch, "x", "a", {2, 2, 1, 1}, 0);
    add_conv(branch, "a", "b", {2, 2, 1, 1}, 0);
    branch.node("Add", {"a", "b"}, "y");
    CHECK(
        has(refusal(branch.output("y")), "'a' (convolution) has no form in FINN: its result is read twice"));

    auto two = with_input({1, 2, 3, 3}, "UINT4");
    two.node("Relu", {"x"}, "r");
    two.output("r").input("x2", {1, 2}).node("Identity", {"x2"}, "i");
    CHECK(has(refusal(two.output("i")), "it reads 'x', 'x2'"));

    auto columns = with_input({1, 2, 3, 4}, "UINT4");
    columns.constant("w", {4, 4}).node("MatMul", {"x", "w"}, "y").set_name("columns");
    CHECK(has(refusal(columns.output("y")), "'columns' (matrix) has no form in FINN: it multiplies columns"));

    auto rows = with_input({1, 2, 3, 3}, "UINT4");
    add_thresholds(rows, "x", "y", 3, 2);
    set(*rows.proto().mutable_graph()->mutable_node(0), "data_layout", "NHWC");
    rows.annotate("x", "['N', 'C', 'H', 'W']", "tensor_layout");
    const auto turned = rows.output("y").import();
    if (turned && turned->graph()[turned->graph().inputs[0]].layout == Layout::nchw)
        CHECK(has(refusal(rows), "its thresholds differ along another dimension"));

    auto flat = with_input({1, 2, 3, 3}, "UINT4");
    add_conv(flat, "x", "c", {2, 2, 1, 1}, 0);
    flat.node("Flatten", {"c"}, "y").set_name("flattened");
    CHECK(has(refusal(flat.output("y")),
              "'flattened' (move) has no form in FINN: the stage ends behind a Flatten"));

    auto biased = with_input({1, 4}, "UINT4");
    biased.constant("w", {4, 3}).constant("b", {3}, {1, 2, 3});
    biased.node("Gemm", {"x", "w", "b"}, "y").set_name("head");
    biased.output("y");
    check_form(biased);
    FinnSettings plain;
    plain.depthwise_steps = false;
    CHECK(has(refusal(biased, plain), "'head' (matrix) has no form in FINN: its bias stays outside"));
}
