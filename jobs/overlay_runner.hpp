// An overlay on a device: what a job whose position has an overlay runs its chunks through.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "jobs/conveyor.hpp"
#include "jobs/job.hpp"
#include "overlays/device/device.hpp"

namespace fard {

class ResultCheck;
struct StageWork;

// Owned by the job, used on its thread. A device that is stuck (a chunk's deadline passed) is loaded anew, and gets the
// chunks that it had; after three times without a chunk done in between that is the job's error. With the parameter
// `verify = N` each N-th chunk is computed on the CPU, too, and a device that gives another result is treated like that.
class OverlayRunner final : public Conveyor {
  public:
    // Opens the package and the device that a job's configuration names, and begins to load the one onto the other; where
    // jobs take turns at the device, begin_turn() does that.
    // Errors: those of Package::open, open_device and Device::load; invalid_input (the configuration names no
    // overlay, or one whose inputs or outputs are not the position's).
    static Result<OverlayRunner> load(const JobConfig& config);
    OverlayRunner(OverlayRunner&&) noexcept;
    OverlayRunner& operator=(OverlayRunner&&) noexcept;
    ~OverlayRunner() override;

    // The overlay's outputs for the chunk's tensors, with the chunk's index: waits for the device, so only for a job that
    // computes in process() more than that. Errors: those of the device.
    Result<Chunk> run(const Chunk& chunk);

    // As Job has them. Errors: those of Device::load.
    Result<> begin_turn() { return begin_load(); }
    void end_turn();

    std::size_t depth() const override { return device_->depth(); }
    Result<> put(Chunk chunk) override;
    Result<std::optional<Chunk>> take() override;
    void taken_from(TimePoint time) override { device_->taken_from(time); }
    bool loaded() const override { return loaded_; }
    std::optional<DeviceNews> news() override { return std::exchange(news_, std::nullopt); }
    int fd() const override;
    std::uint64_t reloads() const override { return device_->counts().reloads; }
    Duration tolerance() const override { return device_->tolerance(); }

    const Manifest& manifest() const { return package_.manifest; }

  private:
    struct Held {
        Chunk chunk;   // until its result is there
        Chunk result;  // the device writes into it
        bool done = false;
        std::shared_ptr<StageWork> check;  // none: this one is not checked
    };
    OverlayRunner(Package package, std::unique_ptr<Device> device);
    Result<> begin_load();
    Result<bool> bring_up();
    Result<> begin_check(const JobConfig& config);
    Result<> submit(Held& held);
    Result<bool> finish_oldest();
    Result<> recover(const Error& error);

    Package package_;
    std::unique_ptr<Device> device_;
    Duration chunk_limit_;
    std::unique_ptr<ResultCheck> check_;
    std::deque<Held> held_;  // the oldest first
    bool loaded_ = false;
    TimePoint load_deadline_;
    int stuck_in_a_row_ = 0;
    std::optional<DeviceNews> news_;
};

// For run_job: the emulated devices of the parked program's jobs have the stage of that overlay compiled. Errors: those of the package and
// its stage; refused (it is so large that it is not kept: 64 MiB).
Result<> prepare_overlay(const std::string& package_dir);

// The job of a position that is its overlay and nothing else: most of them. A class of an app's own may prepare chunks
// before, and conclude them after.
class OverlayJob : public Job {
  public:
    Result<> parse_config(const JobConfig& config) override;
    Result<Chunk> process(Chunk chunk) override { return overlay_->run(chunk); }
    Conveyor* conveyor() override { return overlay_ ? &*overlay_ : nullptr; }
    Result<> begin_turn() override { return overlay_->begin_turn(); }
    void end_turn() override { overlay_->end_turn(); }

  protected:
    const OverlayRunner& overlay() const { return *overlay_; }

  private:
    std::optional<OverlayRunner> overlay_;
};

}  // namespace fard
