// Any bytes as a model file: imported or refused. What is imported is cut, seen as layers, imported again and, if it is
// small, run.
#include <cstdlib>

#include "model/layers/cuts.hpp"
#include "model/layers/finn_form.hpp"
#include "model/layers/subgraph.hpp"
#include "model/layers/thresholds.hpp"
#include "model/model.hpp"
#include "model/reference.hpp"
#include "model/summary.hpp"

using namespace fard;
using namespace fard::model;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

// Small enough to be interpreted thousands of times a second.
bool is_small(const Graph& graph) {
    constexpr std::int64_t most = 20'000;
    std::int64_t work = 0;
    for (const auto id : graph.inputs)
        work += static_cast<std::int64_t>(graph[id].elements());
    for (const auto& node : graph.nodes) {
        std::int64_t each = 1;  // reads per result
        if (const auto* pool = std::get_if<PoolAttributes>(&node.attributes))
            each = pool->kernel.height * pool->kernel.width;
        for (const auto id : node.inputs)
            work += static_cast<std::int64_t>(graph[id].elements());
        work += each * static_cast<std::int64_t>(graph[node.outputs[0]].elements());
        work += multiply_accumulates(graph, node);
        if (work < 0 || work > most || each > most) return false;
    }
    return true;
}

std::vector<std::vector<std::byte>> some_inputs(const Model& model) {
    std::vector<std::vector<std::byte>> inputs;
    for (const auto& desc : model.inputs()) {
        inputs.emplace_back(desc.wire_bytes());
        for (std::size_t i = 0; i < inputs.back().size(); ++i)
            inputs.back()[i] = static_cast<std::byte>(i * 73 + 5);
    }
    return inputs;
}

Result<std::vector<std::vector<std::byte>>> run(const Model& model,
                                                const std::vector<std::vector<std::byte>>& inputs) {
    const std::vector<std::span<const std::byte>> spans(inputs.begin(), inputs.end());
    return run_reference_wire(model.graph(), spans);
}

// Cuts at the middle one of the possible places; both stages keep the borders, and compute what the whole
// computes.
void check_cut(const Model& model, bool small) {
    const auto places = model.cut_tensors();
    if (places.empty()) return;
    const auto stages = cut(model, {{places[places.size() / 2]}});
    require(stages.has_value() && stages->size() == 2);
    std::vector<Model> parts;
    for (const auto& stage : *stages) {
        auto part = Model::parse(stage.onnx, "stage");
        require(part.has_value());
        require(part->inputs() == stage.inputs && part->outputs() == stage.outputs);
        parts.push_back(*std::move(part));
    }
    if (!small) return;
    const auto inputs = some_inputs(model);
    const auto whole = run(model, inputs);
    if (!whole) return;
    const auto half = run(parts[0], inputs);
    require(half.has_value());
    const auto rest = run(parts[1], *half);
    require(rest.has_value() && *rest == *whole);
}

// Every node is in one layer; what there is in FINN's form, and every part of some channels, is read again.
void check_layers(const Model& model) {
    const auto& graph = model.graph();
    const auto view = layers_of(graph);
    std::size_t nodes = 0;
    for (const auto& layer : view.layers) {
        nodes += layer.nodes.size();
        if (layer.activation && layer.activation->steps < 256) static_cast<void>(thresholds_of(graph, layer));
    }
    require(nodes == graph.nodes.size());
    for (const auto& cut : legal_cuts(view, CutInside::before_activations))
        require(!cut.tensors.empty());
    for (const auto& unit : finn_units(view).units)
        require(read_finn_name(name_of(unit, FinnFlow::main)).has_value());
    if (const auto form = finn_form(graph)) require(Model::parse(form->onnx, "form").has_value());
    const auto some = with_channels(graph, {0, 1});
    if (!some) return;
    const auto stage = stage_of(*some);
    require(stage.has_value() && Model::parse(stage->onnx, "channels").has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const auto model = Model::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (!model) {
        require(!model.error().message.empty());
        return 0;
    }
    layer_table(model->graph(), model->cut_tensors());
    const bool small = is_small(model->graph());
    if (small) static_cast<void>(run(*model, some_inputs(*model)));
    if (model->graph().nodes.size() < 100) check_cut(*model, small);
    if (small && !model->graph().nodes.empty()) check_layers(*model);
    return 0;
}
