#include "client/packing.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "model/layers/subgraph.hpp"
#include "model/model.hpp"
#include "overlays/package/library.hpp"
#include "splitter/emit/stage_hardware.hpp"

namespace fard {
namespace {

// The app without tensors and packages.
wire::AppSpec outline(const AppFile& app) {
    wire::AppSpec spec;
    spec.name = app.name;
    spec.chunk_timeout_ms = static_cast<std::uint64_t>(app.chunk_timeout.count());
    spec.window_bytes = app.window_bytes;
    spec.link_bytes = app.link_bytes;
    spec.batch = app.batch;
    spec.turn_wait_ms = static_cast<std::uint64_t>(app.turn_wait.count());
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

// Whether a position may get an FPGA; where it says nothing it does if there is one.
bool may_be_hardware(const AppFile::Position& position) {
    return position.device != "soft" && position.device != "reference";
}

// What a stage gets of a board: a slot of its fabric.
std::string place_on(const BoardProfile& profile) {
    const auto slots = profile.fabric->slots.value;
    return slots > 1 ? fmt::format("{} with {} slots", profile.name, slots) : profile.name;
}

// A plan for each kind of board that the stage fits on.
Result<> plan(const AppFile::Position& position, const model::Stage& stage, const std::vector<BoardProfile>& profiles,
              Manifest& manifest, std::vector<std::string>& notes) {
    if (profiles.empty() || !may_be_hardware(position)) return {};
    const auto model = model::Model::parse(stage.onnx, manifest.name);
    if (!model) return fail(model.error());
    std::string refusals;
    for (const auto& profile : profiles) {
        const bool known = std::ranges::any_of(
            manifest.hardware, [&](const Hardware& build) { return same_part(build.part, profile.part.value); });
        if (known || !profile.fabric) continue;
        auto build = splitter::plan_hardware(*model, profile);
        if (!build && build.error().fault == Fault::refused) {
            auto whole = splitter::plan_hardware(*model, profile, splitter::Fractions::all(1.0));
            if (whole) {
                notes.push_back(fmt::format("position '{}' takes more of a {} than FINN deems safe for timing closure ({}); the plan "
                                            "uses all of it", position.name, place_on(profile), build.error().message));
                build = std::move(whole);
            }
        }
        if (build) {
            manifest.hardware.push_back(std::move(*build));
        } else {
            refusals += fmt::format("{}on {}: {}", refusals.empty() ? "" : "; ", place_on(profile), build.error().message);
        }
    }
    if (manifest.hardware.empty() && !refusals.empty() && position.device != "any")
        return fail(Fault::refused, "position '{}' fits no board of the cluster: {}; cut the model into more stages, or let the "
                                    "position run on a CPU (device = \"soft\")",
                    position.name, refusals);
    if (!refusals.empty()) notes.push_back(fmt::format("position '{}': {}", position.name, refusals));
    return {};
}

// One stage as a package; gives its id. `builds`: what is planned already.
Result<std::string> pack_stage(const std::string& name, const AppFile::Position& position, model::Stage& stage,
                               const std::vector<BoardProfile>& profiles, PackedApp& packed, std::vector<Hardware> builds = {}) {
    Manifest manifest;
    manifest.hardware = std::move(builds);
    manifest.name = name;
    manifest.inputs = stage.inputs;
    manifest.outputs = stage.outputs;
    manifest.layers = stage.layers;
    if (auto planned = plan(position, stage, profiles, manifest, packed.notes); !planned) return fail(planned.error());
    std::map<std::string, std::string> files;
    files.emplace("stage.onnx", std::move(stage.onnx));
    auto hardware = manifest.hardware;
    auto made = pack_archive(std::move(manifest), std::move(files));
    if (!made) return fail(made.error());
    if (!hardware.empty()) packed.hardware.emplace(made->id, std::move(hardware));
    packed.archives.emplace(made->id, std::make_shared<const std::string>(std::move(made->bytes)));
    return std::move(made->id);
}

// What the packages of an app are made with.
struct Packing {
    const std::vector<BoardProfile>& profiles;
    PackedApp& packed;
};

std::string in_words(const std::vector<TensorDesc>& tensors) {
    std::string text;
    for (const auto& tensor : tensors)
        text += fmt::format("{}'{}' {} ({})", text.empty() ? "" : ", ", tensor.name, tensor.type.name(), fmt::join(tensor.shape, ", "));
    return text;
}

// A package that was made before.
Result<Package> open_package(const std::string& overlay) {
    if (overlay.find('/') != std::string::npos) return Package::open(overlay);
    const auto library = Library::open(Library::own_dir());
    return library ? library->find(overlay) : fail(library.error());
}

// Whether a slot of such a board has what it takes.
bool fits(const Hardware& build, const BoardProfile& profile) {
    return profile.fabric && same_part(build.part, profile.part.value) &&
           std::ranges::all_of(build.resources, [&](const auto& need) {
               const auto all = profile.resources.find(need.first);
               return all == profile.resources.end() || need.second <= all->second.value / profile.fabric->slots.value;
           });
}

// The package that a position names for this very stage, or for this part of it; gives its id. One that is a plan and no more is planned
// anew for those of the boards that it is not for.
Result<std::string> use_package(const std::string& name, const AppFile::Position& from, const std::string& overlay, model::Stage& stage,
                                const Packing& packing) {
    const auto package = open_package(overlay);
    if (!package) return fail_in("overlay", package.error());
    const auto& manifest = package->manifest;
    for (const auto& [kind, own, its] : {std::tuple{"takes", &stage.inputs, &manifest.inputs}, {"gives", &stage.outputs, &manifest.outputs}})
        if (*own != *its)
            return fail(Fault::invalid_input, "overlay {} ({}) {} {}, and the stage {} {}: it is of another stage, or was imported "
                        "without it (`fard overlay import --model STAGE.onnx`)", manifest.name, package->id.substr(0, 16), kind, in_words(*its),
                        kind, in_words(*own));
    const auto is_for = [&](const BoardProfile& profile) {
        return !profile.fabric || std::ranges::any_of(manifest.hardware, [&](const Hardware& build) { return fits(build, profile); });
    };
    const bool planned = !manifest.hardware.empty() && std::ranges::all_of(manifest.hardware, &std::string::empty, &Hardware::bitstream);
    const auto other = std::ranges::find_if_not(packing.profiles, is_for);
    if (planned && may_be_hardware(from) && other != packing.profiles.end()) {
        packing.packed.notes.push_back(fmt::format("position '{}': overlay {} was not planned for a {}; it is planned anew for that", from.name,
                                                   manifest.name, place_on(*other)));
        std::vector<Hardware> kept;
        for (const auto& build : manifest.hardware)
            if (std::ranges::any_of(packing.profiles, [&](const BoardProfile& profile) { return fits(build, profile); })) kept.push_back(build);
        return pack_stage(name, from, stage, packing.profiles, packing.packed, std::move(kept));
    }
    auto bytes = archive(*package);
    if (!bytes) return fail_in("overlay", bytes.error());
    if (!manifest.hardware.empty()) packing.packed.hardware.emplace(package->id, manifest.hardware);
    packing.packed.archives.emplace(package->id, std::make_shared<const std::string>(std::move(*bytes)));
    return package->id;
}

// A stage, or its part `number`, as the package that the position names, or as one that is made of the model; gives its id.
Result<std::string> pack_one(const std::string& name, const AppFile::Position& from, std::size_t number, model::Stage& stage,
                             const Packing& packing) {
    if (!from.overlays.empty()) return use_package(name, from, from.overlays[number], stage, packing);
    return pack_stage(name, from, stage, packing.profiles, packing.packed);
}

// The parts of a stage, each as a package of its own.
Result<> pack_parts(const std::string& name, const AppFile::Position& from, const model::Stage& stage, wire::PositionSpec& position,
                    const Packing& packing) {
    const auto parsed = model::Model::parse(stage.onnx, name);
    if (!parsed) return fail(parsed.error());
    auto parts = model::channel_parts(parsed->graph(), from.parts);
    if (!parts) return fail(parts.error());
    for (std::size_t i = 0; i < parts->size(); ++i) {
        auto& part = (*parts)[i];
        auto id = pack_one(fmt::format("{} part {}", name, i), from, i, part, packing);
        if (!id) return fail(id.error());
        position.parts.push_back({std::move(*id), std::move(part.outputs)});
    }
    return {};
}

Result<> pack_whole(const std::string& name, const AppFile::Position& from, model::Stage& stage, wire::PositionSpec& position,
                    const Packing& packing) {
    auto id = pack_one(name, from, 0, stage, packing);
    if (!id) return fail(id.error());
    position.overlay = std::move(*id);
    return {};
}

Result<> pack_stages(const AppFile& app, const std::vector<BoardProfile>& profiles, PackedApp& packed) {
    const auto network = model::Model::load(app.model->file);
    if (!network) return fail_in(app.at("file in [model]"), network.error());
    auto stages = model::cut(*network, app.model->cuts);
    if (!stages) return fail_in(app.file.string(), stages.error());
    for (std::size_t i = 0; i < stages->size(); ++i) {
        auto& stage = (*stages)[i];
        auto& position = packed.spec.positions[i];
        const auto name = app.name + "." + position.name;
        const Packing packing{profiles, packed};
        const auto& from = app.positions[i];
        const auto done = from.parts ? pack_parts(name, from, stage, position, packing) : pack_whole(name, from, stage, position, packing);
        if (!done) return fail_in(fmt::format("packing {} of {}", position.name, app.name), done.error());
        position.inputs = std::move(stage.inputs);
        position.outputs = std::move(stage.outputs);
    }
    return {};
}

Result<std::vector<BoardProfile>> own_profiles(const AppFile& app) {
    std::vector<BoardProfile> profiles;
    if (app.cluster.profile.empty()) return profiles;
    const auto directory = find_board_profiles();
    if (!directory) return fail(directory.error());
    auto profile = load_board_profile(*directory, app.cluster.profile);
    if (!profile) return fail_in(app.at("profile in [cluster]"), profile.error());
    if (app.cluster.slots > 0 && profile->fabric) profile->fabric->slots.value = app.cluster.slots;
    profiles.push_back(std::move(*profile));
    return profiles;
}

}  // namespace

Result<PackedApp> pack_app(const AppFile& app, const std::vector<BoardProfile>& given) {
    PackedApp packed{outline(app), {}};
    if (app.model) {
        const auto profiles = given.empty() ? own_profiles(app) : Result<std::vector<BoardProfile>>(given);
        if (!profiles) return fail(profiles.error());
        if (auto done = pack_stages(app, *profiles, packed); !done) return fail(done.error());
        return packed;
    }
    for (auto& position : packed.spec.positions) {
        position.inputs = app.input.tensors;
        position.outputs = app.input.tensors;
    }
    return packed;
}

}  // namespace fard
