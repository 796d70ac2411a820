#include "model/model.hpp"

#include <fstream>
#include <sstream>

#include "model/build.hpp"
#include "model/implementation.hpp"

namespace fard::model {
namespace {

std::vector<TensorDesc> wire_descs(const Graph& graph, const std::vector<TensorId>& ids) {
    std::vector<TensorDesc> descs;
    for (const auto id : ids)
        descs.push_back(wire_desc(graph[id]));
    return descs;
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
    std::ifstream stream(file, std::ios::binary);
    std::ostringstream bytes;
    bytes << stream.rdbuf();
    if (!stream || !bytes) return fail(Fault::io, "{}: cannot be read", file.string());
    return parse(bytes.view(), file.string());
}

Result<Model> Model::parse(std::string_view onnx, const std::string& where) {
    auto file = OnnxFile::parse(onnx, where);
    if (!file) return fail(file.error());
    auto raw = file->read();
    if (!raw) return fail(raw.error());
    auto built = build_graph(*std::move(raw));
    if (!built) return fail_in(where, built.error());
    return Model(std::make_shared<const Implementation>(
        Implementation{where, *std::move(file), std::move(built->graph), std::move(built->files_nodes)}));
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
        const auto before = ancestors(graph(), {tensor});
        if (before.size() < graph().nodes.size() && crossing(graph(), before) == std::vector{tensor})
            names.push_back(graph()[tensor].name);
    }
    return names;
}

}  // namespace fard::model
