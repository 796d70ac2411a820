// Any bytes as a model file: imported or refused. What is imported is cut, imported again and, if it is
// small, run.
#include <cstdlib>

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
    return 0;
}
