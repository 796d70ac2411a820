// One piece of work on a thread of its own, whose end a descriptor tells: how devices load what takes long.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "base/owned_fd.hpp"
#include "base/result.hpp"

namespace fard {

// Used on one thread. Its descriptor is the same all its life.
class Background {
  public:
    Background();
    ~Background();  // waits for the work's end
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

    // Begins the work; waits for the end of what was begun before. Errors: io (no thread, no descriptor).
    Result<> begin(std::function<Result<>()> work);
    void wait();  // for the end of what was begun, of which nothing is told any more
    // What the work returned, once; none: it goes on, or nothing was begun. What it throws is an error (failed; io where it
    // found no memory).
    std::optional<Result<>> end();

    int fd() const { return fd_.get(); }  // readable from the work's end until end() has told it

  private:
    void join();

    OwnedFd fd_;
    std::thread thread_;
    std::optional<Result<>> result_;  // the thread's until it has ended
    std::atomic<bool> over_{false};
};

}  // namespace fard
