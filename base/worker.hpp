// A place for work that would make a loop wait: disks, hashes.
#pragma once

#include <functional>
#include <memory>

#include "base/loop.hpp"

namespace fard {

class Worker {
  public:
    // Work runs off the loop, in the order in which it was asked for (with several threads: begun in that
    // order); what it returns is then called on the loop.
    using Work = std::function<Loop::Callback()>;
    virtual ~Worker() = default;
    virtual void run(Work work) = 0;
};

// Threads that run at a lower priority than their process. Lives on the loop; its destruction waits for the work
// that is being done, drops the rest, and calls nothing any more.
std::unique_ptr<Worker> make_worker(Loop& loop, unsigned threads);

}  // namespace fard
