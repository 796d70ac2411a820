#include "tests/oracle/part_ways.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "model/layers/find.hpp"
#include "model/layers/subgraph.hpp"
#include "model/reference.hpp"
#include "model/wire_form.hpp"
#include "tests/model/channels.hpp"

namespace fard::test {
namespace {

using model::Graph;
using model::Values;

Result<std::vector<Values>> run_written(const Graph& graph, const std::vector<Values>& inputs) {
    const auto stage = model::stage_of(graph);
    if (!stage) return fail(stage.error());
    const auto read = model::Model::parse(stage->onnx, "part");
    if (!read) return fail(read.error());
    if (read->inputs() != stage->inputs || read->outputs() != stage->outputs)
        return fail(Fault::failed, "part '{}' takes{} and makes{} when it is read again, but promises{} and{}", graph.name,
                    shown(read->inputs()), shown(read->outputs()), shown(stage->inputs), shown(stage->outputs));
    return model::run_reference(read->graph(), inputs);
}

// The one output of a graph, some of its channels after the others.
Result<std::vector<Values>> run_channels(const Graph& graph, const std::vector<Values>& inputs, std::int64_t parts) {
    const auto& output = graph[graph.outputs[0]];
    const auto axis = static_cast<std::size_t>(model::channel_axis(output));
    const auto channels = output.shape[axis];
    std::vector<Values> made;
    for (std::int64_t part = 0; part < parts; ++part) {
        const auto first = channels * part / parts, end = channels * (part + 1) / parts;
        const auto some = model::with_channels(graph, {first, end - first});
        if (!some) return fail(some.error());
        auto results = run_written(*some, inputs);
        if (!results) return fail(results.error());
        made.push_back(std::move((*results)[0]));
    }
    return std::vector{model::test::joined(made, output.shape, axis)};
}

}  // namespace

std::string shown(const std::vector<TensorDesc>& tensors) {
    std::string text;
    for (const auto& each : tensors)
        text += fmt::format(" {} {} ({}) {} {}", each.type.name(), each.name, fmt::join(each.shape, "x"), each.layout,
                            each.declared);
    return text;
}

Result<Tensors> run_parts(const model::LayerView& view, const model::LegalCut& cut, const Tensors& chunk,
                          std::size_t parts) {
    const auto& graph = *view.graph;
    std::vector<Values> values;
    for (std::size_t i = 0; i < chunk.size(); ++i) {
        auto read = model::values_from_wire(graph[graph.inputs[i]], chunk[i]);
        if (!read) return fail(read.error());
        values.push_back(*std::move(read));
    }
    const auto before = model::subgraph(graph, model::part_of(view, 0, cut.after, "before"));
    const auto behind = model::subgraph(graph, model::part_of(view, cut.after + 1, view.layers.size() - 1, "behind"));
    const auto& first = before[before.outputs[0]];
    const auto channels = first.shape.empty() ? 1 : first.shape[static_cast<std::size_t>(model::channel_axis(first))];
    const auto most = std::min(channels, static_cast<std::int64_t>(parts));
    const bool divided = before.outputs.size() == 1 && most > 1;
    const auto crossing = divided ? run_channels(before, values, most) : run_written(before, values);
    if (!crossing) return fail(crossing.error());
    const auto made = run_written(behind, *crossing);
    if (!made) return fail(made.error());
    Tensors tensors;
    for (std::size_t i = 0; i < made->size(); ++i) {
        const auto& output = graph[graph.outputs[i]];
        tensors.emplace_back(wire_desc(output).wire_bytes());
        if (auto done = model::values_to_wire(output, (*made)[i], tensors.back()); !done) return fail(done.error());
    }
    return tensors;
}

}  // namespace fard::test
