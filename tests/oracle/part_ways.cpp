#include "tests/oracle/part_ways.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "model/layers/chain_probe.hpp"
#include "model/layers/find.hpp"
#include "model/layers/finn_form.hpp"
#include "model/layers/subgraph.hpp"
#include "model/layers/thresholds.hpp"
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
        return fail(Fault::failed,
                    "part '{}' takes{} and makes{} when it is read again, but promises{} and{}", graph.name,
                    shown(read->inputs()), shown(read->outputs()), shown(stage->inputs),
                    shown(stage->outputs));
    return model::run_reference(read->graph(), inputs);
}

// The one output of a graph, some of its channels after the others.
Result<std::vector<Values>> run_channels(const Graph& graph, const std::vector<Values>& inputs,
                                         std::int64_t parts) {
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

Result<std::vector<Values>> values_of_chunk(const Graph& graph, const Tensors& chunk) {
    std::vector<Values> values;
    for (std::size_t i = 0; i < chunk.size(); ++i) {
        auto read = model::values_from_wire(graph[graph.inputs[i]], chunk[i]);
        if (!read) return fail(read.error());
        values.push_back(*std::move(read));
    }
    return values;
}

Result<Tensors> wire_of_results(const Graph& graph, const std::vector<Values>& made) {
    Tensors tensors;
    for (std::size_t i = 0; i < made.size(); ++i) {
        const auto& output = graph[graph.outputs[i]];
        tensors.emplace_back(wire_desc(output).wire_bytes());
        if (auto done = model::values_to_wire(output, made[i], tensors.back()); !done)
            return fail(done.error());
    }
    return tensors;
}

// Pixels of all channels in turn (NCHW) to channels of all pixels (NHWC), or back.
Values turned(const Values& values, std::int64_t channels, bool to_last) {
    const auto count = static_cast<std::size_t>(channels), pixels = values.integers.size() / count;
    Values list;
    list.integers.resize(values.integers.size());
    for (std::size_t c = 0; c < count; ++c)
        for (std::size_t p = 0; p < pixels; ++p) {
            const auto first = c * pixels + p, last = p * count + c;
            list.integers[to_last ? last : first] = values.integers[to_last ? first : last];
        }
    return list;
}

bool is_image(const model::Tensor& tensor) {
    return tensor.layout == model::Layout::nchw;
}

Result<std::vector<Values>> run_form(const Graph& stage, const model::FinnForm& form,
                                     const std::vector<Values>& inputs) {
    const auto read = model::Model::parse(form.onnx, "form");
    if (!read) return fail(read.error());
    const auto &in = stage[stage.inputs[0]], &out = stage[stage.outputs[0]];
    auto values = inputs;
    const bool in_turns = is_image(in) && !(form.channels_first && form.input.size() == 4);
    if (in_turns) values[0] = turned(values[0], in.shape[1], true);
    auto made = model::run_reference(read->graph(), values);
    if (!made) return made;
    const bool out_turns = is_image(out) && !(form.channels_first && form.output.size() == 4);
    if (out_turns) (*made)[0] = turned((*made)[0], out.shape[1], false);
    return made;
}

}  // namespace

std::string shown(const std::vector<TensorDesc>& tensors) {
    std::string text;
    for (const auto& each : tensors)
        text += fmt::format(" {} {} ({}) {} {}", each.type.name(), each.name, fmt::join(each.shape, "x"),
                            each.layout, each.declared);
    return text;
}

Result<Tensors> run_parts(const model::LayerView& view, const model::LegalCut& cut, const Tensors& chunk,
                          std::size_t parts) {
    const auto& graph = *view.graph;
    const auto values = values_of_chunk(graph, chunk);
    if (!values) return fail(values.error());
    const auto before = model::subgraph(graph, model::part_of(view, 0, cut.after, "before"));
    const auto behind =
        model::subgraph(graph, model::part_of(view, cut.after + 1, view.layers.size() - 1, "behind"));
    const auto& first = before[before.outputs[0]];
    const auto channels =
        first.shape.empty() ? 1 : first.shape[static_cast<std::size_t>(model::channel_axis(first))];
    const auto most = std::min(channels, static_cast<std::int64_t>(parts));
    const bool divided = before.outputs.size() == 1 && most > 1;
    const auto crossing = divided ? run_channels(before, *values, most) : run_written(before, *values);
    if (!crossing) return fail(crossing.error());
    const auto made = run_written(behind, *crossing);
    if (!made) return fail(made.error());
    return wire_of_results(graph, *made);
}

std::optional<Result<Tensors>> run_finn_forms(const model::LayerView& view, const model::LegalCut& cut,
                                              const Tensors& chunk) {
    const auto& graph = *view.graph;
    const Graph stages[] = {
        model::subgraph(graph, model::part_of(view, 0, cut.after, "before")),
        model::subgraph(graph, model::part_of(view, cut.after + 1, view.layers.size() - 1, "behind"))};
    auto values = values_of_chunk(graph, chunk);
    if (!values) return fail(values.error());
    bool any = false;
    for (const auto& stage : stages) {
        const auto form = model::finn_form(stage);
        any = any || form;
        values = form ? run_form(stage, *form, *values) : model::run_reference(stage, *values);
        if (!values) return fail(values.error());
    }
    if (!any) return std::nullopt;
    return wire_of_results(graph, *values);
}

Result<> check_thresholds(const model::LayerView& view) {
    constexpr std::int64_t tries = 60;
    const auto& graph = *view.graph;
    for (const auto& layer : view.layers) {
        if (!layer.activation || graph.nodes[layer.activation->nodes[0]].inputs.size() > 2) continue;
        const auto found = model::thresholds_of(graph, layer);
        const auto probe =
            found ? model::ChainProbe::of(graph, layer.activation->nodes) : fail(found.error());
        if (!probe) continue;
        const auto width = found->range.max - found->range.min;
        for (std::int64_t i = 0; i <= tries; ++i) {
            const auto x = found->range.min + (width < tries ? std::min(i, width) : width / tries * i);
            const auto made = probe->run(std::vector(probe->channels(), x));
            if (!made) return fail(made.error());
            for (std::size_t c = 0; c < probe->channels(); ++c)
                if ((*made)[c] != found->apply(c, x))
                    return fail(Fault::failed, "layer '{}': channel {} of {} becomes {}, not {}", layer.name,
                                c, x, (*made)[c], found->apply(c, x));
        }
    }
    return {};
}

}  // namespace fard::test
