// The units of the layer view beside those that FINN's own flow made of the same networks.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "model/layers/finn_units.hpp"
#include "tests/model/data.hpp"
#include "tests/model/onnx_maker.hpp"

using namespace fard;
using namespace fard::model;
using namespace fard::model::test;

namespace {

using Json = nlohmann::json;

Json read_json(const std::filesystem::path& file) {
    std::ifstream in(file);
    return Json::parse(in);
}

std::optional<std::filesystem::path> network_file(const std::string& name) {
    if (name == "cnv_w2a2_cifar10.onnx") return source_root() / "apps/two_stage_bnn/cnv_w2a2.onnx";
    if (name == "mobilenet_v1_w4a4_cifar10.onnx")
        return source_root() / "apps/mobilenet_six_stage/mobilenet_v1_w4a4.onnx";
    return data_file("models/" + name);
}

onnx::ModelProto read_network(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    onnx::ModelProto model;
    REQUIRE(model.ParseFromIstream(&in));
    return model;
}

// A factor in front of everything, as FINN's examples prepare networks for pixels.
void scale_input(onnx::GraphProto& graph, const std::string& type, double factor) {
    const auto name = graph.input(0).name();
    for (auto& node : *graph.mutable_node())
        for (auto& input : *node.mutable_input())
            if (input == name) input = "scaled_input";
    auto& constant = *graph.add_initializer();
    constant.set_name("input_factor");
    constant.set_data_type(onnx::TensorProto::FLOAT);
    constant.add_float_data(static_cast<float>(factor));
    auto& node = *graph.add_node();
    node.set_op_type("Mul");
    node.set_name("input_mul");
    node.add_input(name), node.add_input("input_factor"), node.add_output("scaled_input");
    auto& annotation = *graph.add_quantization_annotation();
    annotation.set_tensor_name(name);
    auto& entry = *annotation.add_quant_parameter_tensor_names();
    entry.set_key("finn_datatype"), entry.set_value(type);
}

void append_top_k(onnx::GraphProto& graph) {
    auto& k = *graph.add_initializer();
    k.set_name("k");
    k.set_data_type(onnx::TensorProto::INT64);
    k.add_dims(1), k.add_int64_data(1);
    auto& node = *graph.add_node();
    node.set_op_type("TopK");
    node.set_name("top_k");
    node.add_input(graph.output(0).name()), node.add_input("k");
    node.add_output("top_values"), node.add_output("top_indices");
    set(node, "axis", -1);
    auto& output = *graph.mutable_output(0);
    output.Clear();
    output.set_name("top_indices");
    output.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::INT64);
}

// The network as the run has given it to FINN.
std::optional<Model> prepared(const Json& run) {
    const auto file = network_file(run.at("model"));
    if (!file) return std::nullopt;
    auto model = read_network(*file);
    auto& graph = *model.mutable_graph();
    if (run.at("input_type").is_string()) scale_input(graph, run["input_type"], run.at("input_scale"));
    if (run.at("topk").get<bool>()) append_top_k(graph);
    auto read = Model::parse(model.SerializeAsString(), file->string());
    REQUIRE_MESSAGE(read, read.error().message);
    return *std::move(read);
}

FinnSettings settings_of(const Json& run) {
    return {run.at("finn_branch") == "dev" ? FinnFlow::dev : FinnFlow::main, run.at("standalone_thresholds"),
            run.at("part").get<std::string>().starts_with("xc7z"), run.at("flow") == "dwconv"};
}

Json numbers(Extent2 extent) {
    return {extent.height, extent.width};
}

std::string type_of(DataType type) {
    return type == DataType::bipolar() ? "BIPOLAR" : type.name();
}

// Weights that can be written while it runs, which a folding file says, may be any of their type.
bool is_writable(const Json& node) {
    return node.at("attributes").value("runtime_writeable_weights", 0) == 1;
}

// What our unit says of the attributes of FINN's; the keys are FINN's own.
Json attributes_of(const LayerView& view, const FinnUnit& unit, const Json& node) {
    const auto& layer = view.layers[unit.layer];
    const auto& theirs = node.at("attributes");
    const bool binary = theirs.value("inputDataType", "") == "BINARY" ||  // BIPOLAR times BIPOLAR, counted
                        theirs.value("outputDataType", "") == "BINARY";
    const auto shown = [&](DataType type) {
        return binary && type == DataType::bipolar() ? "BINARY" : type_of(type);
    };
    Json ours;
    if (unit.kind == FinnKind::mvau || unit.kind == FinnKind::vvau) {
        ours = {{"inputDataType", shown(unit.inputs)},
                {"weightDataType", shown(unit.narrowest_weights)},
                {"accDataType", fmt::format("INT{}", is_writable(node) ? unit.widest_accumulator_bits
                                                                       : unit.accumulator_bits)},
                {"noActivation", unit.steps > 0 ? 0 : 1}};
        if (unit.steps > 0) ours["outputDataType"] = shown(unit.outputs);
    }
    if (unit.kind == FinnKind::mvau) ours.update({{"MW", unit.mw}, {"MH", unit.mh}});
    if (unit.kind == FinnKind::vvau)
        ours.update(
            {{"Channels", unit.channels}, {"Kernel", numbers(unit.kernel)}, {"Dim", numbers(unit.output)}});
    if (unit.kind == FinnKind::window)
        ours = {{"IFMChannels", unit.channels},       {"ConvKernelDim", numbers(unit.kernel)},
                {"Stride", numbers(unit.strides)},    {"Dilation", numbers(unit.dilations)},
                {"IFMDim", numbers(unit.input)},      {"OFMDim", numbers(unit.output)},
                {"depthwise", unit.depthwise ? 1 : 0}};
    if (unit.kind == FinnKind::padding)
        ours = {{"NumChannels", unit.channels},
                {"ImgDim", numbers(unit.input)},
                {"Padding", Json::array({layer.window.pads.top, layer.window.pads.left,
                                         layer.window.pads.bottom, layer.window.pads.right})}};
    if (unit.kind == FinnKind::thresholding)
        ours = {{"NumChannels", unit.channels},
                {"numSteps", unit.steps},
                {"inputDataType", shown(unit.inputs)},
                {"outputDataType", shown(unit.outputs)}};
    if (unit.kind == FinnKind::max_pool)
        ours = {{"NumChannels", unit.channels},
                {"PoolDim", numbers(unit.kernel)},
                {"ImgDim", numbers(unit.input)}};
    if (unit.kind == FinnKind::pool)
        ours = {{"Channels", unit.channels},
                {"KernelSize", numbers(unit.kernel)},
                {"OutImgDims", numbers(unit.output)}};
    if (unit.kind == FinnKind::global_pool)
        ours = {{"NumChannels", unit.channels}, {"inputDataType", type_of(unit.inputs)}};
    if (unit.kind == FinnKind::label_select) ours = {{"Labels", unit.channels}};
    return ours;
}

void compare_run(const std::filesystem::path& folder) {
    const auto run = read_json(folder / "run.json"), nodes = read_json(folder / "nodes.json");
    const auto model = prepared(run);
    if (!model) return;
    const auto view = layers_of(model->graph());
    const auto settings = settings_of(run);
    const auto network = finn_units(view, settings);
    INFO(folder.filename().string());
    CHECK(network.units.size() == nodes.size());
    for (std::size_t i = 0; i < std::min(network.units.size(), nodes.size()); ++i) {
        const auto& unit = network.units[i];
        const std::string name = nodes[i].at("name");
        INFO(name);
        CHECK(name_of(unit, settings.flow) == name);
        const auto key = read_finn_name(name);
        REQUIRE(key);
        CHECK(key->kind == unit.kind);
        const auto ours = attributes_of(view, unit, nodes[i]);
        for (const auto& [attribute, value] : ours.items()) {
            if (attribute == "inputDataType" && i > 0 && is_writable(nodes[i - 1])) continue;
            INFO(attribute);
            CHECK(value == nodes[i]["attributes"].at(attribute));
        }
    }
}

}  // namespace

TEST_CASE("every run of FINN's own flow has our units, names and attributes") {
    const auto runs = data_file("finn/runs");
    if (!runs) return;
    std::size_t compared = 0;
    for (const auto& entry : std::filesystem::directory_iterator(*runs)) {
        if (!entry.is_directory()) continue;
        compare_run(entry.path());
        ++compared;
    }
    CHECK(compared >= 22);
}
