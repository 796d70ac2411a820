#include "model/graphviz.hpp"

#include <fmt/ranges.h>

#include "model/summary.hpp"

namespace fard::model {
namespace {

std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '\n')
            out += "\\n";
        else if (static_cast<unsigned char>(c) >= ' ')
            out += c;
    }
    return out + "\"";
}

std::string tensor_label(const Tensor& tensor) {
    return fmt::format("{} {}", fmt::join(tensor.shape, "x"), tensor.type.name());
}

}  // namespace

std::string graphviz(const Graph& graph) {
    std::string text =
        fmt::format("digraph {} {{\n  node [shape=box fontname=\"sans-serif\"]\n", quoted(graph.name));
    std::vector<std::string> makers(graph.tensors.size());  // empty: a constant
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
        makers[graph.inputs[i]] = fmt::format("in{}", i);
        text += fmt::format("  in{} [shape=oval label={}]\n", i, quoted(graph[graph.inputs[i]].name));
    }
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
        const auto& node = graph.nodes[i];
        const auto own = parameters(graph, node);
        const auto label = fmt::format("{}\n{}{}", node.name, name_of(node),
                                       own > 0 ? fmt::format("\n{} parameters", own) : "");
        makers[node.outputs[0]] = fmt::format("n{}", i);
        text += fmt::format("  n{} [label={}]\n", i, quoted(label));
        for (const auto id : node.inputs)
            if (!makers[id].empty())
                text +=
                    fmt::format("  {} -> n{} [label={}]\n", makers[id], i, quoted(tensor_label(graph[id])));
    }
    for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
        const auto& tensor = graph[graph.outputs[i]];
        text += fmt::format("  out{} [shape=oval label={}]\n", i, quoted(tensor.name));
        text += fmt::format("  {} -> out{} [label={}]\n", makers[graph.outputs[i]], i,
                            quoted(tensor_label(tensor)));
    }
    return text + "}\n";
}

}  // namespace fard::model
