#include "model/layers/subgraph.hpp"

#include <algorithm>
#include <numeric>

namespace fard::model {
namespace {

// Tensors that are there after the layers 0 .. count - 1 and are still to be read.
std::vector<TensorId> crossing_after(const LayerView& view, std::size_t count) {
    const auto& graph = *view.graph;
    std::vector<bool> there(graph.tensors.size()), wanted(graph.tensors.size());
    for (const auto id : graph.inputs)
        there[id] = true;
    for (std::size_t i = 0; i < view.layers.size(); ++i)
        for (const auto node : view.layers[i].nodes) {
            if (i < count)
                there[graph.nodes[node].outputs[0]] = true;
            else
                for (const auto id : graph.nodes[node].inputs)
                    wanted[id] = true;
        }
    for (const auto id : graph.outputs)
        wanted[id] = true;
    std::vector<TensorId> crossing;
    for (TensorId id = 0; id < graph.tensors.size(); ++id)
        if (there[id] && wanted[id]) crossing.push_back(id);
    return crossing;
}

}  // namespace

EmittedPart part_of(const LayerView& view, std::size_t first, std::size_t last, std::string name) {
    EmittedPart part{std::move(name), {}, {}, {}};
    for (auto i = first; i <= last; ++i)
        part.nodes.insert(part.nodes.end(), view.layers[i].nodes.begin(), view.layers[i].nodes.end());
    std::ranges::sort(part.nodes);
    const bool begins = first == 0, ends = last + 1 == view.layers.size();
    part.inputs = begins ? view.graph->inputs : crossing_after(view, first);
    part.outputs = ends ? view.graph->outputs : crossing_after(view, last + 1);
    return part;
}

Graph subgraph(const Graph& graph, const EmittedPart& part) {
    Graph made;
    made.name = part.name;
    made.exact_fractions = graph.exact_fractions;
    std::vector<std::optional<TensorId>> place(graph.tensors.size());
    const auto moved = [&](TensorId id) {
        if (!place[id]) {
            place[id] = static_cast<TensorId>(made.tensors.size());
            made.tensors.push_back(graph[id]);
        }
        return *place[id];
    };
    const auto all_moved = [&](const std::vector<TensorId>& ids) {
        std::vector<TensorId> list;
        for (const auto id : ids)
            list.push_back(moved(id));
        return list;
    };
    made.inputs = all_moved(part.inputs);
    for (const auto id : part.nodes) {
        const auto& node = graph.nodes[id];
        made.nodes.push_back(
            {node.name, node.op, all_moved(node.inputs), all_moved(node.outputs), node.attributes});
    }
    made.outputs = all_moved(part.outputs);
    return made;
}

Result<Stage> stage_of(const Graph& graph) {
    Stage stage;
    EmittedPart part{graph.name, std::vector<NodeId>(graph.nodes.size()), graph.inputs, graph.outputs};
    std::iota(part.nodes.begin(), part.nodes.end(), NodeId{0});
    for (const auto& node : graph.nodes)
        stage.layers.push_back(node.name);
    for (const auto id : graph.inputs)
        stage.inputs.push_back(wire_desc(graph[id]));
    for (const auto id : graph.outputs)
        stage.outputs.push_back(wire_desc(graph[id]));
    auto onnx = emit_onnx(graph, part);
    if (!onnx) return fail(onnx.error());
    stage.onnx = *std::move(onnx);
    return stage;
}

}  // namespace fard::model
