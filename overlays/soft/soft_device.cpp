#include "overlays/soft/soft_device.hpp"

#include <memory>
#include <mutex>
#include <optional>

#include "overlays/device/background.hpp"
#include "overlays/device/cpu_info.hpp"
#include "overlays/device/stage_model.hpp"
#include "overlays/soft/plan.hpp"

namespace fard {
namespace {

// What prepare_soft_stage() compiled, until a device takes it.
struct Prepared {
    std::mutex mutex;
    std::string package;
    const soft::Kernels* kernels = nullptr;
    std::unique_ptr<soft::Plan> plan;
};

Prepared& prepared() {
    static Prepared one;
    return one;
}

Result<std::unique_ptr<soft::Plan>> compile_stage(const Package& package, const soft::Kernels& kernels, std::size_t threads) {
    auto model = load_stage_model(package);
    if (!model) return fail(model.error());
    auto owner = std::make_shared<const model::Model>(std::move(*model));
    return std::make_unique<soft::Plan>(soft::compile({owner, &owner->graph()}, kernels), threads);
}

std::unique_ptr<soft::Plan> take_prepared(const Package& package, const soft::Kernels& kernels) {
    auto& one = prepared();
    const std::lock_guard lock(one.mutex);
    return one.package == package.id && one.kernels == &kernels ? std::move(one.plan) : nullptr;
}

Result<const soft::Kernels*> kernels_named(const std::string& kernels) {
    if (const auto* row = soft::select_kernels(kernels)) return row;
    std::string names;
    for (const auto& row : soft::kernel_table())
        if (row.runs_here()) names += (names.empty() ? "" : ", ") + std::string(row.name);
    return fail(Fault::not_found, "this processor has no soft kernels '{}'; it runs {}", kernels, names);
}

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
        plan_ = threads_ == 1 ? take_prepared(package, kernels_) : nullptr;
        if (plan_) return {};
        auto plan = compile_stage(package, kernels_, threads_);
        if (!plan) return fail(plan.error());
        plan_ = std::move(*plan);
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
    std::unique_ptr<soft::Plan> plan_;
    bool ready_ = false;  // the plan is there, and ours
    std::optional<Chunk> submitted_;
    Background loading_;  // the last: it ends first
};

}  // namespace

Result<std::unique_ptr<Device>> open_soft_device(const std::string& id, const std::string& kernels,
                                                 int threads) {
    const auto row = kernels_named(kernels);
    if (!row) return fail(row.error());
    return std::make_unique<SoftDevice>(id, **row, threads);
}

Result<> prepare_soft_stage(const Package& package) {
    const auto row = kernels_named("");
    if (!row) return fail(row.error());
    auto plan = compile_stage(package, **row, 1);
    if (!plan) return fail(plan.error());
    auto& one = prepared();
    const std::lock_guard lock(one.mutex);
    one.package = package.id;
    one.kernels = *row;
    one.plan = std::move(*plan);
    return {};
}

}  // namespace fard
