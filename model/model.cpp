#include "model/model.hpp"

#include <fstream>

#include "model/build.hpp"
#include "model/expand.hpp"
#include "model/implementation.hpp"
#include "model/passes/passes.hpp"

namespace fard::model {
namespace {

std::vector<TensorDesc> wire_descs(const Graph& graph, const std::vector<TensorId>& ids) {
    std::vector<TensorDesc> descs;
    for (const auto id : ids)
        descs.push_back(wire_desc(graph[id]));
    return descs;
}

Result<std::string> read_file(const std::filesystem::path& file) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    std::ifstream stream(file, std::ios::binary);
    std::string bytes(error ? 0 : size, '\0');
    if (!error) stream.read(bytes.data(), static_cast<std::streamsize>(size));
    if (error || !stream) return fail(Fault::io, "{}: cannot be read", file.string());
    return bytes;
}

}  // namespace

Model::Model(std::shared_ptr<const Implementation> implementation)
    : implementation_(std::move(implementation)) {}

Result<Model> Model::load(const std::filesystem::path& file) {
    std::error_code error;
    if (!std::filesystem::exists(file, error))
        return fail(Fault::not_found, "{}: no such file", file.string());
    if (!std::filesystem::is_regular_file(file, error))
        return fail(Fault::invalid_input, "{}: not a file", file.string());
    const auto bytes = read_file(file);
    if (!bytes) return fail(bytes.error());
    return parse_in(*bytes, file.string(), std::filesystem::absolute(file, error).parent_path());
}

Result<Model> Model::parse(std::string_view onnx, const std::string& where) {
    return parse_in(onnx, where, std::nullopt);
}

Result<Model> Model::parse_in(std::string_view onnx, const std::string& where,
                              const std::optional<std::filesystem::path>& directory) {
    auto file = OnnxFile::parse(onnx, where, directory);
    if (!file) return fail(file.error());
    auto raw = file->read();
    if (!raw) return fail(raw.error());
    const auto expanded = expand_operators(*raw);
    if (!expanded) return fail_in(where, expanded.error());
    auto draft = build_graph(*std::move(raw));
    if (!draft) return fail_in(where, draft.error());
    draft->altered = *expanded;
    run_passes(*draft);
    return Model(std::make_shared<const Implementation>(Implementation{
        where, *std::move(file), std::move(draft->graph), std::move(draft->files_nodes), draft->altered}));
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

std::vector<std::string> Model::cut_tensors() const {
    std::vector<std::string> names;
    for (const auto& node : graph().nodes) {
        const auto tensor = node.outputs[0];
        if (graph()[tensor].inner) continue;
        const auto before = ancestors(graph(), {tensor});
        if (before.size() < graph().nodes.size() && crossing(graph(), before) == std::vector{tensor})
            names.push_back(graph()[tensor].name);
    }
    return names;
}

}  // namespace fard::model
