// fard inspect MODEL.onnx: what fard reads from a model.
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/shapes.hpp"
#include "model/graphviz.hpp"
#include "model/model.hpp"
#include "model/summary.hpp"

namespace fard::cli {
namespace {

using nlohmann::json;

CommandSpec spec() {
    return {"inspect",
            "show a model's layers, shapes, types, parameters and MACs",
            {"MODEL.onnx"},
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

json as_json(const model::Model& model) {
    const auto& graph = model.graph();
    auto layers = json::array();
    std::int64_t parameters = 0, macs = 0;
    for (const auto& node : graph.nodes) {
        const auto own = model::parameters(graph, node), work = model::multiply_accumulates(graph, node);
        layers.push_back({{"name", node.name},
                          {"operator", model::name_of(node.op)},
                          {"result", describe(graph[node.outputs[0]])},
                          {"parameters", own},
                          {"macs", work}});
        parameters += own;
        macs += work;
    }
    return {{"name", graph.name},
            {"inputs", describe(graph, graph.inputs)},
            {"outputs", describe(graph, graph.outputs)},
            {"layers", std::move(layers)},
            {"cuts", model.cut_tensors()},
            {"parameters", parameters},
            {"macs", macs}};
}

Result<> write_file(const std::string& file, const std::string& text) {
    std::ofstream stream(file, std::ios::binary);
    stream << text << std::flush;
    if (!stream) return fail(Fault::io, "{}: cannot be written", file);
    return {};
}

Result<> run(const Options& options) {
    const auto shapes = read_shapes(options);
    if (!shapes) return fail(shapes.error());
    const auto model = model::Model::load(options.positional(0), *shapes);
    if (!model) return fail(model.error());
    if (options.given("dot"))
        if (auto done = write_file(options.text("dot"), model::graphviz(model->graph())); !done) return done;
    if (options.given("json"))
        fmt::print("{}\n", as_json(*model).dump());
    else
        fmt::print("{}", model::layer_table(model->graph()));
    return {};
}

}  // namespace

Command inspect_command() {
    return {spec(), run};
}

}  // namespace fard::cli
