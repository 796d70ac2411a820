#include "overlays/device/stage_model.hpp"

#include "overlays/package/files.hpp"

namespace fard {
namespace {

constexpr const char* stage_file = "stage.onnx";

Result<> check_ports(const char* kind, const std::vector<TensorDesc>& promised,
                     const std::vector<TensorDesc>& actual, const std::string& overlay) {
    if (promised.size() != actual.size())
        return fail(Fault::corrupt, "overlay '{}': the manifest lists {} {}s, {} has {}", overlay,
                    promised.size(), kind, stage_file, actual.size());
    for (std::size_t i = 0; i < actual.size(); ++i)
        if (promised[i].shape != actual[i].shape || promised[i].type != actual[i].type)
            return fail(Fault::corrupt,
                        "overlay '{}': {} {} is ({}) of {} in the manifest, and ({}) of {} in {}", overlay,
                        kind, i, fmt::join(promised[i].shape, ", "), promised[i].type.name(),
                        fmt::join(actual[i].shape, ", "), actual[i].type.name(), stage_file);
    return {};
}

}  // namespace

Result<model::Model> load_stage_model(const Package& package) {
    const auto& name = package.manifest.name;
    if (!package.manifest.files.contains(stage_file))
        return fail(Fault::not_found, "overlay '{}' has no {}; a CPU cannot run it", name, stage_file);
    const auto file = package.dir / stage_file;
    const auto onnx = read_regular_file(file, UINT64_MAX);
    if (!onnx) return fail(onnx.error());
    auto model = model::Model::parse(*onnx, file.string());
    if (!model) return model;
    if (auto checked = check_ports("input", package.manifest.inputs, model->inputs(), name); !checked)
        return fail(checked.error());
    if (auto checked = check_ports("output", package.manifest.outputs, model->outputs(), name); !checked)
        return fail(checked.error());
    return model;
}

}  // namespace fard
