// Computes a stage's chunks on a thread of its own, one after the other: where an emulated device has its results from.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/owned_fd.hpp"
#include "overlays/device/device.hpp"

namespace fard {

// One chunk, from the copy of its inputs to its results. What the worker does with it is over when `done` is true.
struct StageWork {
    std::vector<std::vector<std::byte>> inputs;
    std::vector<std::vector<std::byte>> results;
    Result<> end;
    std::atomic<bool> done{false};
};

class StageWorker {
  public:
    explicit StageWorker(std::unique_ptr<Device> computes);
    ~StageWorker();  // waits for what it is at
    StageWorker(const StageWorker&) = delete;
    StageWorker& operator=(const StageWorker&) = delete;

    // Makes the device that computes ready for this package, unless it is or is about to be. What was begun before is dropped.
    Result<> load(const Package& package);
    std::optional<Result<>> loaded() const;  // none: not yet
    // Begins a chunk; `work` is shared with the thread.
    void begin(std::shared_ptr<StageWork> work);
    void drop();  // what has not begun

    int fd() const { return fd_.get(); }  // readable when something is done, until clear()
    void clear() const;

  private:
    void serve();
    void compute(StageWork& work);

    std::unique_ptr<Device> computes_;  // the thread's
    OwnedFd fd_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::optional<Package> to_load_;
    std::string loaded_id_;
    std::optional<Result<>> loaded_;
    std::deque<std::shared_ptr<StageWork>> works_;
    bool ends_ = false;
    std::vector<std::size_t> output_bytes_;
    std::thread thread_;  // the last: everything is there when it starts
};

}  // namespace fard
