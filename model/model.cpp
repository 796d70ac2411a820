#include "model/model.hpp"

#include <algorithm>

#include "base/suggest.hpp"
#include "model/build.hpp"
#include "model/exactness.hpp"
#include "model/expand.hpp"
#include "model/implementation.hpp"
#include "model/operators.hpp"
#include "model/passes/passes.hpp"

namespace fard::model {
namespace {

std::vector<TensorDesc> wire_descs(const Graph& graph, const std::vector<TensorId>& ids) {
    std::vector<TensorDesc> descs;
    for (const auto id : ids)
        descs.push_back(wire_desc(graph[id]));
    return descs;
}

Result<> give_shapes(RawGraph& raw, const InputShapes& shapes) {
    std::vector<std::string> names;
    for (const auto& input : raw.inputs)
        names.push_back(input.name);
    for (const auto& [name, shape] : shapes) {
        const auto input = std::ranges::find(raw.inputs, name, &RawValue::name);
        if (input == raw.inputs.end())
            return fail(Fault::invalid_input, "the network has no input '{}'{}", name,
                        did_you_mean(name, names));
        const bool fits =
            !input->shape || std::ranges::equal(*input->shape, shape, [](auto said, auto wanted) {
                return said == -1 || said == wanted;
            });
        if (!fits)
            return fail(Fault::invalid_input,
                        "input '{}' is {} in the file, with -1 where it is open, and cannot be {}", name,
                        shown(*input->shape), shown(shape));
        input->shape = shape;
    }
    return {};
}

Result<std::shared_ptr<const Model::Implementation>> imported(Result<OnnxFile> file, const std::string& where,
                                                              const InputShapes& shapes) {
    if (!file) return fail(file.error());
    auto raw = file->read();
    if (!raw) return fail(raw.error());
    file->let_go();
    if (auto done = give_shapes(*raw, shapes); !done) return fail_in(where, done.error());
    const auto expanded = expand_operators(*raw);
    if (!expanded) return fail_in(where, expanded.error());
    const bool said_exact = raw->exact_fractions;
    auto draft = build_graph(*std::move(raw));
    if (!draft) return fail_in(where, draft.error());
    draft->altered = draft->altered || *expanded;
    run_passes(*draft);
    draft->graph.exact_fractions = said_exact || needs_exact_fractions(draft->graph);
    return std::make_shared<const Model::Implementation>(
        Model::Implementation{where, *std::move(file), std::move(draft->graph), std::move(draft->files_nodes), draft->altered});
}

}  // namespace

Model::Model(std::shared_ptr<const Implementation> implementation)
    : implementation_(std::move(implementation)) {}

Result<Model> Model::load(const std::filesystem::path& file, const InputShapes& shapes) {
    return imported(OnnxFile::load(file), file.string(), shapes).map([](auto implementation) { return Model(std::move(implementation)); });
}

Result<Model> Model::parse(std::string_view onnx, const std::string& where) {
    return imported(OnnxFile::parse(onnx, where, std::nullopt), where, {}).map([](auto implementation) {
        return Model(std::move(implementation));
    });
}

const Graph& Model::graph() const {
    return implementation_->graph;
}

std::vector<TensorDesc> Model::inputs() const {
    return wire_descs(graph(), graph().inputs);
}

std::vector<TensorDesc> Model::outputs() const {
    return wire_descs(graph(), graph().outputs);
}

// Where one tensor alone is there that is still to be read.
std::vector<std::string> Model::cut_tensors() const {
    const auto& nodes = graph().nodes;
    std::vector<std::size_t> readers(graph().tensors.size());  // that are yet to come
    for (const auto& node : nodes)
        for (const auto id : node.inputs)
            ++readers[id];
    for (const auto id : graph().outputs)
        ++readers[id];
    std::size_t alive = 0;
    for (const auto id : graph().inputs)
        alive += readers[id] > 0;
    std::vector<std::string> names;
    for (std::size_t i = 0; i + 1 < nodes.size(); ++i) {
        const auto made = nodes[i].outputs[0];
        ++alive;
        for (const auto id : nodes[i].inputs)
            if (!graph()[id].is_constant() && --readers[id] == 0) --alive;
        if (alive == 1 && readers[made] > 0 && !graph()[made].inner) names.push_back(graph()[made].name);
    }
    return names;
}

}  // namespace fard::model
