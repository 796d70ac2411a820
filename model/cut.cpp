#include <fmt/ranges.h>

#include <algorithm>

#include "base/suggest.hpp"
#include "model/implementation.hpp"
#include "model/onnx_emit.hpp"

namespace fard::model {
namespace {

constexpr NodeId no_node = ~NodeId{0};

std::vector<NodeId> producers(const Graph& graph) {
    std::vector<NodeId> producer(graph.tensors.size(), no_node);
    for (NodeId node = 0; node < graph.nodes.size(); ++node)
        for (const auto tensor : graph.nodes[node].outputs)
            producer[tensor] = node;
    return producer;
}

std::string quoted(const std::vector<std::string>& names) {
    std::string list;
    for (const auto& name : names)
        list.append(list.empty() ? "'" : ", '").append(name).append("'");
    return list;
}

// Where the network is divided: what has been computed, and what is handed on, in the order in which it was
// named.
struct Border {
    std::string label;  // "cut 2 ('MaxPool_0')"
    std::set<NodeId> before;
    std::vector<TensorId> tensors;
};

bool can_be_named(const Tensor& tensor) {
    return !tensor.is_constant() && !tensor.inner;
}

// The first tensor that can be named on the way from `name` along the file's nodes, for names that the file has but that
// lie within what fard computes as one operator; "" for none.
std::string next_on_the_way(const Model::Implementation& model, const std::string& name) {
    const auto raw = model.file.read();
    if (!raw) return "";
    std::set<std::string> reached{name};
    for (const auto& node : raw->nodes) {  // in topological order
        const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(),
                                       [&](const auto& input) { return reached.contains(input); });
        if (!reads) continue;
        for (const auto& output : node.outputs) {
            for (const auto& tensor : model.graph.tensors)
                if (tensor.name == output && can_be_named(tensor)) return output;
            reached.insert(output);
        }
    }
    return "";
}

// What people mean by a name that is no tensor of ours: a layer of the table that `fard inspect` shows, or a tensor of the
// file that is computed together with others.
Error no_such_tensor(const Model::Implementation& model, const std::string& name) {
    const auto& graph = model.graph;
    std::vector<std::string> known;
    for (const auto& node : graph.nodes) {
        const auto& result = graph[node.outputs[0]];
        if (node.name == name && can_be_named(result))
            return {Fault::invalid_input,
                    fmt::format("'{}' is a layer, and a cut names a tensor: its result is '{}'", name, result.name)};
    }
    if (const auto next = next_on_the_way(model, name); !next.empty())
        return {Fault::invalid_input,
                fmt::format("tensor '{}' lies inside of what is computed as one operator; cut behind it, at '{}'", name, next)};
    for (const auto& tensor : graph.tensors)
        if (can_be_named(tensor)) known.push_back(tensor.name);
    return {Fault::invalid_input,
            fmt::format("the network has no tensor '{}'{}; `fard inspect` lists where it can be cut", name,
                        did_you_mean(name, known))};
}

Result<TensorId> find_tensor(const Model::Implementation& model, const std::string& name) {
    const auto& graph = model.graph;
    for (TensorId id = 0; id < graph.tensors.size(); ++id) {
        if (graph[id].name != name) continue;
        if (graph[id].is_constant()) return fail(Fault::invalid_input, "tensor '{}' is a constant", name);
        if (!graph[id].inner) return id;
        const auto next = next_on_the_way(model, name);
        return fail(Fault::invalid_input, "tensor '{}' lies inside of an operator on quantized tensors; cut behind it{}",
                    name, next.empty() ? "" : ", at '" + next + "'");
    }
    return fail(no_such_tensor(model, name));
}

Result<Border> read_border(const Model::Implementation& model, const std::vector<std::string>& names,
                           std::size_t number) {
    const auto& graph = model.graph;
    Border border{fmt::format("cut {} ({})", number, quoted(names)), {}, {}};
    for (const auto& name : names) {
        const auto id = find_tensor(model, name);
        if (!id) return fail_in(border.label, id.error());
        if (std::find(border.tensors.begin(), border.tensors.end(), *id) != border.tensors.end())
            return fail(Fault::invalid_input, "{}: names '{}' twice", border.label, name);
        border.tensors.push_back(*id);
    }
    border.before = ancestors(graph, border.tensors);
    if (border.before.empty())
        return fail(Fault::invalid_input, "{}: nothing is computed before it", border.label);
    if (border.before.size() == graph.nodes.size())
        return fail(Fault::invalid_input, "{}: nothing is computed after it", border.label);

    const auto crosses = crossing(graph, border.before);
    std::vector<std::string> missing, idle;
    for (const auto id : crosses)
        if (std::find(border.tensors.begin(), border.tensors.end(), id) == border.tensors.end())
            missing.push_back(graph[id].name);
    for (const auto id : border.tensors)
        if (!std::binary_search(crosses.begin(), crosses.end(), id)) idle.push_back(graph[id].name);
    if (!missing.empty())
        return fail(Fault::invalid_input,
                    "{}: not a cut, {} cross{} it too; name all that cross, or cut elsewhere", border.label,
                    quoted(missing), missing.size() == 1 ? "es" : "");
    if (!idle.empty())
        return fail(Fault::invalid_input, "{}: nothing after it reads {}", border.label, quoted(idle));
    return border;
}

// The borders of all stages: the network's inputs, the cuts, its outputs.
Result<std::vector<Border>> read_borders(const Model::Implementation& model,
                                         const std::vector<std::vector<std::string>>& cuts) {
    const auto& graph = model.graph;
    std::vector<Border> borders{{"the input", {}, graph.inputs}};
    for (std::size_t i = 0; i < cuts.size(); ++i) {
        auto border = read_border(model, cuts[i], i + 1);
        if (!border) return fail(border.error());
        const auto& last = borders.back();
        const bool follows = border->before.size() > last.before.size() &&
                             std::includes(border->before.begin(), border->before.end(), last.before.begin(),
                                           last.before.end());
        if (!follows)
            return fail(Fault::invalid_input,
                        "{} does not lie behind {}; name cuts in their order along the network",
                        border->label, last.label);
        borders.push_back(*std::move(border));
    }
    Border end{"the output", {}, graph.outputs};
    for (NodeId node = 0; node < graph.nodes.size(); ++node)
        end.before.insert(end.before.end(), node);
    borders.push_back(std::move(end));
    return borders;
}

// A part of the file as it is, or, where the graph has other nodes than the file, of the graph.
Result<std::string> write_stage(const Model::Implementation& model, const Border& from, const Border& to,
                                const std::vector<NodeId>& nodes, const std::string& name) {
    if (model.altered) return emit_onnx(model.graph, {name, nodes, from.tensors, to.tensors});
    Extract part{name, {}, {}, {}, model.graph.exact_fractions};
    for (const auto node : nodes)
        part.nodes.push_back(model.files_nodes[node]);
    for (const auto id : from.tensors)
        part.inputs.push_back(&model.graph[id]);
    for (const auto id : to.tensors)
        part.outputs.push_back(&model.graph[id]);
    return model.file.extract(part);
}

Result<Stage> extract_stage(const Model::Implementation& model, const Border& from, const Border& to,
                            const std::string& name) {
    Stage stage;
    std::vector<NodeId> nodes;
    for (const auto node : to.before) {
        if (from.before.contains(node)) continue;
        nodes.push_back(node);
        stage.layers.push_back(model.graph.nodes[node].name);
    }
    for (const auto id : from.tensors)
        stage.inputs.push_back(wire_desc(model.graph[id]));
    for (const auto id : to.tensors)
        stage.outputs.push_back(wire_desc(model.graph[id]));
    auto onnx = write_stage(model, from, to, nodes, name);
    if (!onnx) return fail(onnx.error());
    stage.onnx = *std::move(onnx);
    return stage;
}

}  // namespace

std::set<NodeId> ancestors(const Graph& graph, const std::vector<TensorId>& tensors) {
    const auto producer = producers(graph);
    std::set<NodeId> nodes;
    std::vector<TensorId> open = tensors;
    while (!open.empty()) {
        const auto node = producer[open.back()];
        open.pop_back();
        if (node == no_node || !nodes.insert(node).second) continue;
        open.insert(open.end(), graph.nodes[node].inputs.begin(), graph.nodes[node].inputs.end());
    }
    return nodes;
}

std::vector<TensorId> crossing(const Graph& graph, const std::set<NodeId>& before) {
    std::vector<bool> there(graph.tensors.size());
    for (const auto id : graph.inputs)
        there[id] = true;
    for (const auto node : before)
        for (const auto id : graph.nodes[node].outputs)
            there[id] = true;
    std::set<TensorId> crosses;
    const auto read = [&](const std::vector<TensorId>& ids) {
        for (const auto id : ids)
            if (there[id]) crosses.insert(id);
    };
    for (NodeId node = 0; node < graph.nodes.size(); ++node)
        if (!before.contains(node)) read(graph.nodes[node].inputs);
    read(graph.outputs);
    return {crosses.begin(), crosses.end()};
}

Result<std::vector<Stage>> cut(const Model& model, const std::vector<std::vector<std::string>>& cuts) {
    const auto& whole = Model::Implementation::of(model);
    const auto borders = read_borders(whole, cuts);
    if (!borders) return fail_in(whole.where, borders.error());
    std::vector<Stage> stages;
    for (std::size_t i = 0; i + 1 < borders->size(); ++i) {
        const auto name = fmt::format("{}_stage_{}", whole.graph.name, i);
        auto stage = extract_stage(whole, (*borders)[i], (*borders)[i + 1], name);
        if (!stage) return fail(stage.error());
        stages.push_back(*std::move(stage));
    }
    return stages;
}

}  // namespace fard::model
