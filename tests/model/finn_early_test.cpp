// The units of networks as FINN's examples had them before 2022, beside the published reports of their builds.
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "model/layers/finn_units.hpp"
#include "tests/model/data.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

using Json = nlohmann::json;
constexpr const char* qonnx = "qonnx.custom_op.general";

// A network drawn layer by layer; only shapes and types matter.
class Drawing {
  public:
    explicit Drawing(Extents shape) : shape_(std::move(shape)) {
        maker_.input(last_, shape_).annotate(last_, "UINT8");
    }

    void convolution(std::int64_t outputs, std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                     bool depthwise, const std::string& type) {
        const auto name = fresh();
        const auto inputs = depthwise ? 1 : shape_[1];
        weights(name + "_w", {outputs, inputs, kernel, kernel}, type);
        auto& node = maker_.node("Conv", {last_, name + "_w"}, name);
        set(node, "kernel_shape", Extents{kernel, kernel}), set(node, "strides", Extents{stride, stride});
        set(node, "pads", Extents{pad, pad, pad, pad}), set(node, "group", depthwise ? outputs : 1);
        const auto extent = (shape_[2] + 2 * pad - kernel) / stride + 1;
        become(name, {1, outputs, extent, extent});
    }
    void matrix(std::int64_t outputs, const std::string& type) {
        const auto name = fresh();
        weights(name + "_w", {shape_[1], outputs}, type);
        maker_.node("MatMul", {last_, name + "_w"}, name);
        become(name, {1, outputs});
    }
    void thresholds(std::int64_t rows, std::int64_t steps, double scale, double bias,
                    const std::string& type) {
        const auto name = fresh();
        maker_.constant(name + "_t", {rows, steps});
        auto& node = maker_.node("MultiThreshold", {last_, name + "_t"}, name, qonnx);
        set(node, "out_scale", scale), set(node, "out_bias", bias);
        maker_.annotate(name, type);
        become(name, shape_);
    }
    void max_pool() {
        const auto name = fresh();
        auto& node = maker_.node("MaxPool", {last_}, name);
        set(node, "kernel_shape", Extents{2, 2}), set(node, "strides", Extents{2, 2});
        become(name, {1, shape_[1], shape_[2] / 2, shape_[3] / 2});
    }
    void average_pool(std::int64_t kernel) {
        const auto name = fresh();
        auto& node = maker_.node("QuantAvgPool2d", {last_}, name, qonnx);
        for (const auto& [key, value] :
             {std::pair{"kernel", kernel}, std::pair{"stride", kernel}, std::pair{"ibits", std::int64_t{4}},
              std::pair{"obits", std::int64_t{4}}})
            set(node, key, value);
        set(node, "data_layout", "NCHW");
        become(name, {1, shape_[1], 1, 1});
    }
    void flatten() {
        const auto name = fresh();
        maker_.node("Flatten", {last_}, name);
        become(name, {1, shape_[1] * shape_[2] * shape_[3]});
    }
    void bias() {
        const auto name = fresh();
        maker_.constant(name + "_b", {shape_[1]});
        maker_.node("Add", {last_, name + "_b"}, name);
        become(name, shape_);
    }
    Model with_top_k() {
        maker_.integers("k", {1}, {1});
        auto& node = maker_.node("TopK", {last_, "k"}, "values");
        node.add_output("indices");
        set(node, "axis", -1);
        maker_.output("indices", onnx::TensorProto::INT64);
        auto model = maker_.import();
        REQUIRE_MESSAGE(model, model.error().message);
        return *std::move(model);
    }

  private:
    std::string fresh() { return "t" + std::to_string(++count_); }
    void become(const std::string& name, Extents shape) { last_ = name, shape_ = std::move(shape); }
    void weights(const std::string& name, const Extents& shape, const std::string& type) {
        std::vector<float> values(elements(shape));
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = i % 2 == 0 ? 1.0F : -1.0F;
        maker_.constant(name, shape, std::move(values)).annotate(name, type);
    }

    OnnxMaker maker_;
    std::string last_ = "pixels";
    Extents shape_;
    int count_ = 0;
};

Model draw_cnv_w1a1() {
    Drawing draw({1, 3, 32, 32});
    draw.thresholds(3, 255, 1, -128, "INT8");
    const std::int64_t channels[] = {64, 64, 128, 128, 256, 256};
    for (int i = 0; i < 6; ++i) {
        draw.convolution(channels[i], 3, 1, 0, false, "BIPOLAR");
        draw.thresholds(channels[i], 1, 2, -1, "BIPOLAR");
        if (i == 1 || i == 3) draw.max_pool();
    }
    draw.flatten();
    for (int i = 0; i < 2; ++i) {
        draw.matrix(512, "BIPOLAR");
        draw.thresholds(512, 1, 2, -1, "BIPOLAR");
    }
    draw.matrix(10, "BIPOLAR");
    return draw.with_top_k();
}

Model draw_mobilenet_w4a4() {
    Drawing draw({1, 3, 224, 224});
    draw.convolution(32, 3, 2, 0, false, "INT8");
    draw.thresholds(32, 15, 1, 0, "UINT4");
    struct Block {
        std::int64_t inputs, outputs, stride;
    };
    constexpr Block blocks[] = {{32, 64, 1},   {64, 128, 2},   {128, 128, 1},  {128, 256, 2}, {256, 256, 1},
                                {256, 512, 2}, {512, 512, 1},  {512, 512, 1},  {512, 512, 1}, {512, 512, 1},
                                {512, 512, 1}, {512, 1024, 2}, {1024, 1024, 1}};
    for (const auto& block : blocks) {
        draw.convolution(block.inputs, 3, block.stride, 1, true, "INT4");
        draw.thresholds(block.inputs, 15, 1, 0, "UINT4");
        draw.convolution(block.outputs, 1, 1, 0, false, "INT4");
        draw.thresholds(block.outputs, 15, 1, 0, "UINT4");
    }
    draw.average_pool(7);
    draw.flatten();
    draw.matrix(1000, "INT4");
    draw.bias();
    return draw.with_top_k();
}

Model draw_tfc() {
    Drawing draw({1, 784});
    draw.thresholds(1, 1, 2, -1, "BIPOLAR");
    for (int i = 0; i < 3; ++i) {
        draw.matrix(64, "BIPOLAR");
        draw.thresholds(64, 1, 2, -1, "BIPOLAR");
    }
    draw.matrix(10, "BIPOLAR");
    return draw.with_top_k();
}

Json read_json(const std::filesystem::path& file) {
    std::ifstream in(file);
    return Json::parse(in);
}

std::int64_t count_of(const Json& row, const std::string& prefix) {
    for (const auto& [key, value] : row.items())
        if (key.starts_with(prefix)) return value.get<std::int64_t>();
    return 0;
}

void compare(const Model& model, const std::string& report) {
    const auto folder = data_file("finn/" + report);
    if (!folder) return;
    INFO(report);
    const auto view = layers_of(model.graph());
    const auto network = finn_units(view, {FinnFlow::early});
    const auto cycles = read_json(*folder / "estimate_layer_cycles.json");
    CHECK(network.outside.empty());
    CHECK(network.units.size() == cycles.size());
    for (const auto& unit : network.units) {
        const auto name = name_of(unit, FinnFlow::early);
        CHECK_MESSAGE(cycles.contains(name), name);
        CHECK(read_finn_name(name) == FinnKey{unit.kind, unit.number});
    }
    if (!std::filesystem::exists(*folder / "op_and_param_counts.json")) return;
    const auto counts = read_json(*folder / "op_and_param_counts.json");
    for (const auto& unit : network.units) {
        const auto& row = counts.at(name_of(unit, FinnFlow::early));
        const bool multiplies = unit.kind == FinnKind::mvau || unit.kind == FinnKind::vvau;
        const auto& layer = view.layers[unit.layer];
        CAPTURE(name_of(unit, FinnFlow::early));
        CHECK(count_of(row, "op_mac") == (multiplies ? layer.macs : 0));
        CHECK(count_of(row, "param_weight") == (multiplies ? layer.weights->count : 0));
        // A row for each channel, however many thresholds it has.
        if (multiplies && unit.steps > 0) CHECK(count_of(row, "param_threshold") == layer.output_channels);
    }
}

}  // namespace

TEST_CASE("FINN's published reports have our units under their names of then") {
    compare(draw_cnv_w1a1(), "cnv_w1a1");
    compare(draw_mobilenet_w4a4(), "mobilenet_w4a4");
    compare(draw_tfc(), "tfc");
}

TEST_CASE("names of any of FINN's versions are read") {
    CHECK(read_finn_name("MVAU_hls_12") == FinnKey{FinnKind::mvau, 12});
    CHECK(read_finn_name("MVAU_3") == FinnKey{FinnKind::mvau, 3});
    CHECK(read_finn_name("StreamingFCLayer_Batch_3") == FinnKey{FinnKind::mvau, 3});
    CHECK(read_finn_name("MatrixVectorActivation_3") == FinnKey{FinnKind::mvau, 3});
    CHECK(read_finn_name("ConvolutionInputGenerator_rtl_0") == FinnKey{FinnKind::window, 0});
    for (const char* other : {"", "Defaults", "MVAU_", "MVAU_hls_x", "MVAU_hls_-1", "MVAU_99999999999", "_3",
                              "StreamingFIFO_rtl_0"})
        CHECK(!read_finn_name(other));
}
