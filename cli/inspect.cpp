// fard inspect MODEL.onnx: what fard reads from a model; fard inspect APP.toml: the stages that it becomes.
#include <fmt/ranges.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_set>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/load_model.hpp"
#include "cli/output_file.hpp"
#include "cli/shapes.hpp"
#include "cli/stages.hpp"
#include "client/app_file.hpp"
#include "model/graphviz.hpp"
#include "model/layers/cuts.hpp"
#include "model/model.hpp"
#include "model/summary.hpp"

namespace fard::cli {
namespace {

using nlohmann::json;

CommandSpec spec() {
    return {"inspect",
            "show a model's layers and where it can be cut, or an app's stages",
            {"MODEL.onnx|APP.toml"},
            {{"dot", "FILE", "write the network as a Graphviz drawing"},
             {"json", "", "print one JSON object"},
             shape_option()}};
}

json describe(const model::Tensor& tensor) {
    json entry{{"name", tensor.name},
               {"shape", tensor.shape},
               {"type", tensor.type.name()},
               {"declared", tensor.declared},
               {"wire_bytes", model::wire_desc(tensor).wire_bytes()}};
    if (tensor.range) entry["range"] = {tensor.range->min, tensor.range->max};
    return entry;
}

json describe(const model::Graph& graph, const std::vector<model::TensorId>& ids) {
    auto list = json::array();
    for (const auto id : ids)
        list.push_back(describe(graph[id]));
    return list;
}

// Between layers, where a few tensors cross together.
json legal_cuts(const model::Graph& graph) {
    constexpr std::size_t most_tensors = 16;
    const auto view = model::layers_of(graph);
    auto list = json::array();
    for (const auto& cut : model::legal_cuts(view, model::CutInside::never, most_tensors)) {
        auto names = json::array();
        for (const auto id : cut.tensors)
            names.push_back(graph[id].name);
        list.push_back({{"after", view.layers[cut.after].name}, {"tensors", std::move(names)}, {"wire_bytes", cut.bytes}});
    }
    return list;
}

json as_json(const model::Model& model) {
    const auto& graph = model.graph();
    auto layers = json::array();
    std::int64_t parameters = 0, macs = 0;
    for (const auto& node : graph.nodes) {
        const auto own = model::parameters(graph, node), work = model::multiply_accumulates(graph, node);
        layers.push_back({{"name", node.name},
                          {"operator", model::name_of(node)},
                          {"result", describe(graph[node.outputs[0]])},
                          {"parameters", own},
                          {"macs", work}});
        parameters += own;
        macs += work;
    }
    const auto cuts = model.cut_tensors();
    const std::unordered_set<std::string_view> places(cuts.begin(), cuts.end());
    auto points = json::array();
    for (const auto& node : graph.nodes) {
        const auto& result = graph[node.outputs[0]];
        if (places.contains(result.name))
            points.push_back({{"tensor", result.name},
                              {"layer", node.name},
                              {"wire_bytes", model::wire_desc(result).wire_bytes()}});
    }
    return {{"name", graph.name},
            {"inputs", describe(graph, graph.inputs)},
            {"outputs", describe(graph, graph.outputs)},
            {"layers", std::move(layers)},
            {"cuts", cuts},
            {"cut_points", std::move(points)},
            {"legal_cuts", legal_cuts(graph)},
            {"parameters", parameters},
            {"macs", macs}};
}

std::string borders(const char* title, const model::Graph& graph, const std::vector<model::TensorId>& ids) {
    std::string text;
    for (const auto id : ids) {
        const auto& tensor = graph[id];
        text += fmt::format("{}  {}  {}  {}  {} bytes\n", title, tensor.name, fmt::join(tensor.shape, "x"),
                            tensor.type.name(), model::wire_desc(tensor).wire_bytes());
    }
    return text;
}

Result<> inspect_model(const Options& options) {
    const std::filesystem::path file = options.positional(0);
    const auto shapes = read_shapes(options);
    if (!shapes) return fail(shapes.error());
    const auto model = load_model(file, *shapes);
    if (!model) return fail(model.error());
    if (options.given("dot"))
        if (auto done = write_text(options, "dot", model::graphviz(model->graph())); !done) return done;
    if (options.given("json")) {
        out("{}\n", as_json(*model).dump());
        return {};
    }
    const auto& graph = model->graph();
    out("{}{}\n{}\nA name under \"cut\" can stand in an app file's `cuts`.\n", borders("input ", graph, graph.inputs),
        borders("output", graph, graph.outputs), model::layer_table(graph, model->cut_tensors()));
    return {};
}

Result<> run(const Options& options) {
    const std::filesystem::path file = options.positional(0);
    if (file.extension() != ".toml") return inspect_model(options);
    if (options.given("dot")) return fail(Fault::invalid_input, "--dot draws a model; {} is an app file", file.string());
    const auto app = read_app_file(file);
    if (!app) return fail(app.error());
    const auto stages = stage_rows(*app);
    if (!stages) return fail(stages.error());
    put_out(options.given("json") ? stages_json(*app, *stages) + "\n" : stages_text(*app, *stages));
    return {};
}

}  // namespace

Command inspect_command() {
    return {spec(), run};
}

}  // namespace fard::cli
