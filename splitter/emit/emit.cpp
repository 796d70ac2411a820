#include "splitter/emit/emit.hpp"

#include <fmt/ranges.h>
#include <stdlib.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "model/layers/finn_form.hpp"
#include "model/layers/subgraph.hpp"
#include "overlays/package/package.hpp"
#include "overlays/package/toml_string.hpp"
#include "splitter/emit/stage_hardware.hpp"

namespace fard::splitter {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t usual_window = 8 << 20, widest_window = 64 << 20;  // bytes

// A directory beside the one that is wanted, until it is complete.
class Workshop {
  public:
    explicit Workshop(fs::path out) : out_(std::move(out)) {}
    ~Workshop() {
        std::error_code ignored;
        if (!path_.empty()) fs::remove_all(path_, ignored);
    }
    Workshop(const Workshop&) = delete;
    Workshop& operator=(const Workshop&) = delete;

    Result<> open() {
        std::error_code error;
        out_ = fs::absolute(out_, error).lexically_normal();
        if (!out_.has_filename()) out_ = out_.parent_path();
        if (fs::exists(out_, error) && !(fs::is_directory(out_, error) && fs::is_empty(out_, error)))
            return fail(Fault::invalid_input, "--out {}: is there already; name a new directory, or an empty one", out_.string());
        auto name = (out_.parent_path() / ("." + out_.filename().string() + ".XXXXXX")).string();
        if (!mkdtemp(name.data()))
            return fail(Fault::invalid_input, "--out {}: nothing can be written there: {}", out_.string(), std::strerror(errno));
        path_ = name;
        fs::permissions(path_, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec | fs::perms::others_read |
                                   fs::perms::others_exec, error);
        return {};
    }

    Result<> write(const fs::path& name, std::string_view text) const {
        std::error_code error;
        fs::create_directories((path_ / name).parent_path(), error);
        std::ofstream stream(path_ / name, std::ios::binary);
        stream << text << std::flush;
        if (!stream) return fail(Fault::io, "--out {}: cannot write {}: {}", out_.string(), name.string(), std::strerror(errno));
        return {};
    }

    Result<> finish() {
        std::error_code error;
        fs::remove(out_, error);  // an empty directory
        fs::rename(path_, out_, error);
        if (error) return fail(Fault::io, "--out {}: cannot appear: {}", out_.string(), error.message());
        path_.clear();
        return {};
    }

    const fs::path& path() const { return path_; }

  private:
    fs::path out_, path_;
};

class Emitter {
  public:
    Emitter(const model::Model& model, const Description& description, const Cluster& cluster, const Found& found,
            const Emission& emission)
        : model_(model), description_(description), cluster_(cluster), found_(found), emission_(emission) {}

    Result<std::vector<std::string>> run(const fs::path& out) {
        Workshop workshop(out);
        if (auto r = workshop.open(); !r) return fail(r.error());
        auto stages = model::cut(model_, cuts());
        if (!stages) return fail(stages.error());
        for (std::size_t i = 0; i < stages->size(); ++i)
            if (auto r = stage(workshop, i, (*stages)[i]); !r) return fail(r.error());
        if (auto r = workshop.write(emission_.name + ".toml", app(fs::absolute(out))); !r) return fail(r.error());
        if (auto r = workshop.write("plan.json", emission_.json + "\n"); !r) return fail(r.error());
        if (auto r = workshop.write("plan.svg", emission_.picture); !r) return fail(r.error());
        if (auto r = workshop.finish(); !r) return fail(r.error());
        if (forms_ > 0 && description_.finn.separate_thresholds)
            notes_.push_back("the foldings are for FINN builds with standalone_thresholds: matrix units without thresholds may then be on DSPs");
        return std::move(notes_);
    }

  private:
    std::vector<std::vector<std::string>> cuts() const {
        std::vector<std::vector<std::string>> cuts;
        const auto& stages = found_.plan.stages;
        for (std::size_t i = 0; i + 1 < stages.size(); ++i)
            cuts.push_back(description_.cut_tensors[stages[i].end]);
        return cuts;
    }

    Result<> stage(const Workshop& workshop, std::size_t number, const model::Stage& stage) {
        const auto directory = fmt::format("stage-{}", number);
        const auto parts = found_.plan.stages[number].parts;
        if (parts == 1) return one(workshop, directory, number, stage);
        const auto parsed = model::Model::parse(stage.onnx, directory);
        if (!parsed) return fail(parsed.error());
        const auto made = model::channel_parts(parsed->graph(), parts);
        if (!made) return fail_in(fmt::format("stage {}", number), made.error());
        for (std::size_t i = 0; i < made->size(); ++i)
            if (auto r = one(workshop, fmt::format("{}/part-{}", directory, i), number, (*made)[i]); !r) return r;
        return {};
    }

    // A stage, or one of its parts.
    Result<> one(const Workshop& workshop, const std::string& directory, std::size_t number, const model::Stage& stage) {
        if (auto r = workshop.write(fs::path(directory) / "stage.onnx", stage.onnx); !r) return r;
        if (auto r = package(workshop.path() / directory / "overlay", directory, number, stage); !r) return r;
        if (found_.plan.stages[number].on_processor) {
            notes_.push_back(fmt::format("stage {} is for a processor; there is nothing of it for FINN", number));
            return {};
        }
        return for_finn(workshop, directory, number, stage);
    }

    Result<> package(const fs::path& directory, const std::string& called, std::size_t number, const model::Stage& stage) const {
        Manifest manifest;
        manifest.name = fmt::format("{} {}", emission_.name, called);
        manifest.inputs = stage.inputs;
        manifest.outputs = stage.outputs;
        manifest.layers = stage.layers;
        if (!found_.plan.stages[number].on_processor) manifest.hardware.push_back(hardware_of(description_, cluster_, found_, number));
        const auto written = Package::write(directory, std::move(manifest), {{"stage.onnx", stage.onnx}});
        if (!written) return fail(written.error());
        return {};
    }

    // The stage as FINN takes it, and the foldings under the names that FINN will give its units.
    Result<> for_finn(const Workshop& workshop, const std::string& directory, std::size_t number, const model::Stage& stage) {
        const auto parsed = model::Model::parse(stage.onnx, directory + "/stage.onnx");
        if (!parsed) return fail(parsed.error());
        const auto form = model::finn_form(parsed->graph(), description_.finn);
        if (!form) {
            notes_.push_back(fmt::format("stage {} has no form for FINN: {}", number, form.error().message));
            return {};
        }
        ++forms_;
        if (auto r = workshop.write(fs::path(directory) / "finn.onnx", form->onnx); !r) return r;
        const auto view = model::layers_of(parsed->graph());
        const auto foldings = named_foldings(model::finn_units(view, description_.finn).units, planned_units(description_, found_.plan.stages[number]), view.layers,
                                             found_.cost.stages[number].cycles, description_.finn.flow);
        if (auto r = workshop.write(fs::path(directory) / "specialize_layers.json", specialization_json(foldings)); !r) return r;
        return workshop.write(fs::path(directory) / "folding.json", folding_json(foldings));
    }

    // A window that holds two batches, so that the next one comes while one is computed.
    std::string pipeline(std::size_t batch) const {
        const auto& cuts = description_.network.cuts;
        const auto bytes = 2 * batch * std::max(cuts.front().bytes, cuts.back().bytes);
        return fmt::format("\n[pipeline]\nbatch = {}\nwindow = \"{} B\"\n", batch, std::clamp<std::uint64_t>(bytes, usual_window, widest_window));
    }

    // Of a stage, or of each of its parts.
    static std::string packages_of(const fs::path& out, std::size_t number, std::size_t parts) {
        const auto stage = out / fmt::format("stage-{}", number);
        if (parts == 1) return fmt::format("overlay = {}\n", toml_string((stage / "overlay").string()));
        std::vector<std::string> packages;
        for (std::size_t i = 0; i < parts; ++i)
            packages.push_back(toml_string((stage / fmt::format("part-{}", i) / "overlay").string()));
        return fmt::format("overlay = [{}]\n", fmt::join(packages, ", "));
    }

    std::string app(const fs::path& out) const {
        std::string text = fmt::format("# Written by fard. Where it runs on CPUs it computes the same as on boards.\n[app]\nname = {}\n"
                                       "description = {}\n\n[model]\nfile = {}\n",
                                       toml_string(emission_.name),
                                       toml_string(fmt::format("{} in {} stages", emission_.name, found_.plan.stages.size())),
                                       toml_string(emission_.model_file.string()));
        std::vector<std::string> cut_list;
        for (const auto& cut : cuts()) {
            std::vector<std::string> names;
            for (const auto& name : cut)
                names.push_back(toml_string(name));
            cut_list.push_back(names.size() == 1 ? names.front() : fmt::format("[{}]", fmt::join(names, ", ")));
        }
        if (!cut_list.empty()) text += fmt::format("cuts = [{}]\n", fmt::join(cut_list, ", "));
        if (emission_.batch) text += pipeline(*emission_.batch);
        std::size_t jobs = 0;
        for (std::size_t i = 0; i < found_.plan.stages.size(); ++i) {
            const auto& stage = found_.plan.stages[i];
            jobs += stage.boards.size();
            text += fmt::format("\n[[pipeline.position]]\nname = \"stage{}\"\n", i);
            if (stage.parts > 1)
                text += fmt::format("parts = {}\n", stage.parts);
            else if (stage.replicas() > 1)
                text += fmt::format("replicas = {}\n", stage.replicas());
            if (!stage.on_processor) text += packages_of(out, i, stage.parts);
        }
        return text + fmt::format("\n[cluster]\nboards = {}\n", std::min<std::size_t>(jobs, 256));
    }

    const model::Model& model_;
    const Description& description_;
    const Cluster& cluster_;
    const Found& found_;
    const Emission& emission_;
    std::vector<std::string> notes_;
    std::size_t forms_ = 0;  // that FINN takes
};

}  // namespace

std::string app_name(std::string_view text) {
    std::string name;
    for (const char c : text)
        name += std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' ? c : '_';
    return name.empty() || !std::isalnum(static_cast<unsigned char>(name.front())) ? "split" + name : name;
}

Result<std::vector<std::string>> emit(const fs::path& out, const model::Model& model, const Description& description,
                                      const Cluster& cluster, const Found& found, const Emission& emission) {
    return Emitter(model, description, cluster, found, emission).run(out);
}

}  // namespace fard::splitter
