#include "overlays/soft/soft_device.hpp"

#include <optional>

#include "overlays/device/background.hpp"
#include "overlays/device/cpu_info.hpp"
#include "overlays/device/stage_model.hpp"
#include "overlays/soft/plan.hpp"

namespace fard {
namespace {

// One chunk at a time: submit takes its inputs in, complete computes it.
class SoftDevice final : public Device {
  public:
    SoftDevice(std::string id, const soft::Kernels& kernels, int threads)
        : id_(std::move(id)), kernels_(kernels), threads_(static_cast<std::size_t>(threads)) {}

    DeviceInfo info() const override { return {id_, "soft", 1, cpu_detail(kernels_.name)}; }

    Result<> load(const Package& package, TimePoint) override {
        unload();
        name_ = package.manifest.name;
        return loading_.begin([this, package] { return compile(package); });
    }

    Result<bool> loaded() override {
        if (auto end = loading_.end()) {
            ready_ = end->has_value();
            if (!*end) return fail(end->error());
        }
        return ready_;
    }

    std::string waits_for() const override { return "the CPU to compile " + name_; }

    void unload() override {
        if (ready_) plan_.reset();
        ready_ = false;
        submitted_.reset();
    }

    std::size_t depth() const override { return 1; }

    Result<> submit(std::uint64_t tag, std::span<const Bytes> inputs, std::span<const MutableBytes> outputs,
                    TimePoint) override {
        if (!ready_) return fail(Fault::refused, "device {} has no overlay loaded", id_);
        if (submitted_) return fail(Fault::refused, "device {} holds a chunk already", id_);
        if (auto loaded = plan_->load(inputs); !loaded) return loaded;
        submitted_ = Chunk{tag, {outputs.begin(), outputs.end()}};
        return {};
    }

    Result<std::optional<std::uint64_t>> complete() override {
        if (!submitted_) return fail(Fault::refused, "device {} holds no chunk", id_);
        const auto chunk = std::exchange(submitted_, std::nullopt);
        if (auto done = plan_->run(); !done) return fail(done.error());
        if (auto stored = plan_->store(chunk->outputs); !stored) return fail(stored.error());
        return chunk->tag;
    }

    int ready_fd() const override { return ready_ ? -1 : loading_.fd(); }

  private:
    // On a thread of its own; nothing else touches the plan until it has ended.
    Result<> compile(const Package& package) {
        plan_.reset();
        auto model = load_stage_model(package);
        if (!model) return fail(model.error());
        auto owner = std::make_shared<const model::Model>(std::move(*model));
        plan_.emplace(soft::compile({owner, &owner->graph()}, kernels_), threads_);
        return {};
    }

    struct Chunk {
        std::uint64_t tag;
        std::vector<MutableBytes> outputs;
    };
    std::string id_;
    const soft::Kernels& kernels_;
    std::size_t threads_;
    std::string name_;  // of the overlay
    std::optional<soft::Plan> plan_;
    bool ready_ = false;  // the plan is there, and ours
    std::optional<Chunk> submitted_;
    Background loading_;  // the last: it ends first
};

}  // namespace

Result<std::unique_ptr<Device>> open_soft_device(const std::string& id, const std::string& kernels,
                                                 int threads) {
    if (const auto* row = soft::select_kernels(kernels))
        return std::make_unique<SoftDevice>(id, *row, threads);
    std::string names;
    for (const auto& row : soft::kernel_table())
        if (row.runs_here()) names += (names.empty() ? "" : ", ") + std::string(row.name);
    return fail(Fault::not_found, "this processor has no soft kernels '{}'; it runs {}", kernels, names);
}

}  // namespace fard
