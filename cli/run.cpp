// fard run MODEL.onnx: a whole model in this process, on one device.
#include <chrono>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/interruption.hpp"
#include "cli/not_numbers.hpp"
#include "cli/output_file.hpp"
#include "cli/output_files.hpp"
#include "cli/shapes.hpp"
#include "client/inputs.hpp"
#include "client/private_directory.hpp"
#include "model/model.hpp"
#include "overlays/device/device.hpp"

namespace fard::cli {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto load_limit = 5min;
constexpr auto chunk_limit = 10min;

CommandSpec spec() {
    return {"run",
            "run a whole model in this process",
            {"MODEL.onnx"},
            {{"input", "PATH",
              "image, directory of images, .npy array, CIFAR-10 or IDX binary; NAME=PATH or a .npz file "
              "where the model "
              "has several inputs; may be repeated",
              true},
             {"output", "OUT.npy",
              "write all results as one array; NAME=OUT.npy or OUT.npz where there are several", true},
             {"device", "KIND", "soft (fast) or reference (the definition of right, slow); soft by default"},
             shape_option(),
             {"threads", "N", "threads to compute with (1)"},
             {"json", "", "print the figures as one JSON object"}}};
}

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Figures {
    std::size_t chunks = 0;
    double load_s = 0, wall_s = 0;
};

// The whole model as one overlay package below `directory`.
Result<Package> pack_whole(const std::filesystem::path& model_file, const model::InputShapes& shapes,
                           const std::filesystem::path& directory) {
    const auto model = model::Model::load(model_file, shapes);
    if (!model) return fail(model.error());
    auto stages = model::cut(*model, {});
    if (!stages) return fail_in(model_file.string(), stages.error());
    auto& stage = stages->front();
    Manifest manifest;
    manifest.name = model_file.stem().string();
    manifest.inputs = stage.inputs;
    manifest.outputs = stage.outputs;
    manifest.layers = stage.layers;
    return Package::write(directory / "model", std::move(manifest), {{"stage.onnx", std::move(stage.onnx)}});
}

// Keeps the device full: submits while it takes chunks, completes the oldest when it does not.
class Feeder {
  public:
    Feeder(Device& device, const Manifest& manifest, OutputFiles& output)
        : device_(device),
          manifest_(manifest),
          output_(output),
          slots_(std::max<std::size_t>(device.depth(), 1)),
          wheres_(slots_.size()),
          results_("result", manifest.outputs) {
        for (auto& slot : slots_)
            for (const auto& tensor : manifest_.outputs)
                slot.emplace_back(tensor.wire_bytes());
    }

    Result<> feed(const Input& input) {
        if (submitted_ - completed_ == slots_.size())
            if (auto done = complete(); !done) return done;
        const auto inputs = bytes_of(input.tensors);
        std::vector<MutableBytes> outputs;
        for (auto& buffer : slots_[submitted_ % slots_.size()])
            outputs.emplace_back(buffer);
        if (auto sent = device_.submit(submitted_, inputs, outputs, Clock::now() + chunk_limit); !sent)
            return fail_in(input.where, sent.error());
        wheres_[submitted_ % slots_.size()] = input.where;
        ++submitted_;
        return {};
    }

    Result<> finish() {
        while (completed_ < submitted_)
            if (auto done = complete(); !done) return done;
        return {};
    }

    std::string remark() const { return results_.remark(); }

  private:
    Result<> complete() {
        const auto tag = await_chunk(device_, Clock::now() + chunk_limit);
        if (!tag) return fail(tag.error());
        ++completed_;
        const auto& buffers = slots_[*tag % slots_.size()];
        const std::vector<Bytes> bytes(buffers.begin(), buffers.end());
        results_.look_at(wheres_[*tag % slots_.size()], bytes);
        return output_.append(bytes);
    }

    Device& device_;
    const Manifest& manifest_;
    OutputFiles& output_;
    std::vector<std::vector<std::vector<std::byte>>> slots_;  // output buffers of the chunks in the device
    std::vector<std::string> wheres_;                         // they came from
    NotNumbers results_;
    std::uint64_t submitted_ = 0, completed_ = 0;
};

Result<Figures> run_all(const Options& options, const Inputs& inputs, const Package& package,
                        const std::string& kind, int threads) {
    auto device = open_device({.kind = kind, .id = "cpu0", .threads = threads});
    if (!device) return fail(device.error());
    auto output = OutputFiles::create(options.texts("output"), package.manifest.outputs);
    if (!output) return fail(output.error());
    Figures figures;
    figures.chunks = inputs.size();
    const auto loading = Clock::now();
    if (auto loaded = load_now(**device, package, loading + load_limit); !loaded) return fail(loaded.error());
    figures.load_s = seconds_since(loading);
    ProgressLine progress;
    Feeder feeder(**device, package.manifest, *output);
    NotNumbers not_numbers("input", package.manifest.inputs);
    Clock::duration preparing{};  // decoding images is no part of the model's time
    const auto began = Clock::now();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        progress.show(fmt::format("{} of {}", i, inputs.size()));
        const auto before = Clock::now();
        const auto input = inputs.at(i);
        if (input) not_numbers.look_at(input->where, bytes_of(input->tensors));
        preparing += Clock::now() - before;
        if (!input) return fail(input.error());
        if (auto fed = feeder.feed(*input); !fed) return fail(fed.error());
    }
    if (auto finished = feeder.finish(); !finished) return fail(finished.error());
    figures.wall_s = seconds_since(began) - std::chrono::duration<double>(preparing).count();
    progress.wipe();
    for (const auto& remark : {not_numbers.remark(), feeder.remark()})
        if (!remark.empty()) note(remark);
    if (auto written = output->finish(); !written) return fail(written.error());
    return figures;
}

void print_figures(const std::string& model, const std::string& kind, int threads, const Figures& figures,
                   bool json) {
    const auto count = static_cast<double>(figures.chunks);
    const double ms = count > 0 ? figures.wall_s * 1e3 / count : 0;
    const double rate = figures.wall_s > 0 ? count / figures.wall_s : 0;
    if (!json) {
        out("{}: {} results in {:.3f} s on {}, {:.3f} ms per image, {:.1f}/s (loaded in {:.3f} s)\n",
                   model, figures.chunks, figures.wall_s, kind, ms, rate, figures.load_s);
        return;
    }
    nlohmann::ordered_json object = {{"model", model},
                                     {"device", kind},
                                     {"threads", threads},
                                     {"chunks_in", figures.chunks},
                                     {"chunks_out", figures.chunks},
                                     {"load_ms", figures.load_s * 1e3},
                                     {"wall_s", figures.wall_s},
                                     {"throughput_per_s", rate},
                                     {"ms_per_image", ms}};
    out("{}\n", object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

Result<> run(const Options& options) {
    const auto kind = options.text("device", "soft");
    if (kind != "soft" && kind != "reference")
        return fail(Fault::invalid_input, "--device {}: it is soft or reference", kind);
    const auto threads = options.number("threads", 1, 1, 1024);
    if (!threads) return fail(threads.error());
    if (!options.given("input"))
        return fail(Fault::invalid_input, "--input PATH is missing; a model has no data of its own");
    std::vector<std::filesystem::path> paths;
    for (const auto& path : options.texts("input"))
        paths.emplace_back(path);

    const std::filesystem::path model_file = options.positional(0);
    if (model_file.extension() == ".toml")
        return fail(Fault::invalid_input, "{}: that is an app file, not a model; `fard submit` runs it", model_file.string());
    std::vector<UsedFile> used{{"the model", model_file}};
    for (const auto& path : paths)
        used.push_back({"an input", file_in(path.string())});
    for (const auto& output : options.texts("output"))
        if (auto checked = check_output("--output", file_in(output), used); !checked) return checked;
    const auto shapes = read_shapes(options);
    if (!shapes) return fail(shapes.error());
    std::mutex making;
    std::filesystem::path made;  // "" before
    const Interruption interruption([&] {
        const std::lock_guard lock(making);
        std::error_code ignored;  // the file of --output has no name yet
        if (!made.empty()) std::filesystem::remove_all(made, ignored);
    });
    const auto directory = [&] {
        const std::lock_guard lock(making);
        auto one = PrivateDirectory::make("fard-run");
        if (one) made = (*one)->path();
        return one;
    }();
    if (!directory) return fail(directory.error());
    const auto package = pack_whole(model_file, *shapes, (*directory)->path());
    if (!package) return fail(package.error());
    const auto inputs = Inputs::open(paths, AppFile::Input{}, package->manifest.inputs);
    if (!inputs) return fail(inputs.error());
    const auto figures = run_all(options, *inputs, *package, kind, static_cast<int>(*threads));
    if (!figures) return fail(figures.error());
    print_figures(model_file.filename().string(), kind, static_cast<int>(*threads), *figures,
                  options.given("json"));
    return {};
}

}  // namespace

Command run_command() {
    return {spec(), run};
}

}  // namespace fard::cli
