#include "client/packing.hpp"

#include <utility>

#include "model/layers/subgraph.hpp"
#include "model/model.hpp"
#include "overlays/package/package.hpp"

namespace fard {
namespace {

// The app without tensors and packages.
wire::AppSpec outline(const AppFile& app) {
    wire::AppSpec spec;
    spec.name = app.name;
    spec.chunk_timeout_ms = static_cast<std::uint64_t>(app.chunk_timeout.count());
    spec.window_bytes = app.window_bytes;
    spec.link_bytes = app.link_bytes;
    for (const auto& position : app.positions) {
        auto& out = spec.positions.emplace_back();
        out.name = position.name;
        out.program = position.job;
        out.replicas = position.replicas;
        out.device = position.device;
        out.board = position.board;
        out.params = position.params;
    }
    return spec;
}

// One stage as a package; gives its id and its archive.
Result<PackedArchive> pack_stage(const std::string& name, model::Stage& stage) {
    Manifest manifest;
    manifest.name = name;
    manifest.inputs = stage.inputs;
    manifest.outputs = stage.outputs;
    manifest.layers = stage.layers;
    std::map<std::string, std::string> files;
    files.emplace("stage.onnx", std::move(stage.onnx));
    return pack_archive(std::move(manifest), std::move(files));
}

// The parts of a stage, each as a package of its own.
Result<> pack_parts(const std::string& name, std::uint32_t count, const model::Stage& stage, wire::PositionSpec& position,
                    PackedApp& packed) {
    const auto parsed = model::Model::parse(stage.onnx, name);
    if (!parsed) return fail(parsed.error());
    auto parts = model::channel_parts(parsed->graph(), count);
    if (!parts) return fail(parts.error());
    for (std::size_t i = 0; i < parts->size(); ++i) {
        auto& part = (*parts)[i];
        auto made = pack_stage(fmt::format("{} part {}", name, i), part);
        if (!made) return fail(made.error());
        position.parts.push_back({made->id, std::move(part.outputs)});
        packed.archives.emplace(made->id, std::make_shared<const std::string>(std::move(made->bytes)));
    }
    return {};
}

Result<> pack_whole(const std::string& name, model::Stage& stage, wire::PositionSpec& position, PackedApp& packed) {
    auto made = pack_stage(name, stage);
    if (!made) return fail(made.error());
    position.overlay = made->id;
    packed.archives.emplace(made->id, std::make_shared<const std::string>(std::move(made->bytes)));
    return {};
}

Result<> pack_stages(const AppFile& app, PackedApp& packed) {
    const auto network = model::Model::load(app.model->file);
    if (!network) return fail(network.error());
    auto stages = model::cut(*network, app.model->cuts);
    if (!stages) return fail_in(app.file.string(), stages.error());
    for (std::size_t i = 0; i < stages->size(); ++i) {
        auto& stage = (*stages)[i];
        auto& position = packed.spec.positions[i];
        const auto name = app.name + "." + position.name;
        const auto parts = app.positions[i].parts;
        const auto done = parts ? pack_parts(name, parts, stage, position, packed) : pack_whole(name, stage, position, packed);
        if (!done) return fail_in(fmt::format("packing {} of {}", position.name, app.name), done.error());
        position.inputs = std::move(stage.inputs);
        position.outputs = std::move(stage.outputs);
    }
    return {};
}

}  // namespace

Result<PackedApp> pack_app(const AppFile& app) {
    PackedApp packed{outline(app), {}};
    if (app.model) {
        if (auto done = pack_stages(app, packed); !done) return fail(done.error());
        return packed;
    }
    for (auto& position : packed.spec.positions) {
        position.inputs = app.input.tensors;
        position.outputs = app.input.tensors;
    }
    return packed;
}

}  // namespace fard
