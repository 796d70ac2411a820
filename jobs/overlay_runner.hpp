// An overlay on a device, one chunk at a time: what a job whose position has an overlay runs its chunks
// through.
#pragma once

#include <memory>

#include "jobs/job.hpp"
#include "overlays/device/device.hpp"

namespace fard {

// Owned by the job, used on its thread.
class OverlayRunner {
  public:
    // Opens the package and the device that a job's configuration names and loads the one onto the other.
    // Errors: those of Package::open, open_device and Device::load; invalid_input (the configuration names no
    // overlay, or one whose inputs or outputs are not the position's).
    static Result<OverlayRunner> load(const JobConfig& config);

    // The overlay's outputs for the chunk's tensors, with the chunk's index. Errors: those of the device.
    Result<Chunk> run(const Chunk& chunk);

    const Manifest& manifest() const { return package_.manifest; }

  private:
    OverlayRunner(Package package, std::unique_ptr<Device> device);
    Package package_;
    std::unique_ptr<Device> device_;
};

}  // namespace fard
