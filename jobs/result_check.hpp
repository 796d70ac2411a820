// Holds a device's results against the CPU's: one of so many chunks is computed there, too, on a thread of its own.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/owned_fd.hpp"
#include "overlays/emulated/stage_worker.hpp"
#include "runtime/peer/link.hpp"

namespace fard {

class ResultCheck {
  public:
    // `device_fd`: what else the owner waits for. Errors: those of the soft device.
    static Result<std::unique_ptr<ResultCheck>> begin(const Package& package, std::uint64_t every, int device_fd);

    bool wants(const Chunk& chunk) const { return chunk.index % every_ == 0; }
    std::shared_ptr<StageWork> compute(const Chunk& chunk);  // begins it
    void clear() const { worker_.clear(); }
    int fd() const { return news_.get(); }  // readable when the device or the check has news

  private:
    ResultCheck(std::unique_ptr<Device> computes, std::uint64_t every) : every_(every), worker_(std::move(computes)) {}

    std::uint64_t every_;
    StageWorker worker_;
    OwnedFd news_;  // epoll
};

// Errors: io (the results differ: where), and the computation's own.
Result<> same_results(const StageWork& right, const Chunk& result, const std::string& device);

}  // namespace fard
