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

enum class Pace {
    prompt,     // somebody waits for each piece of it
    leisurely,  // long work that leaves the CPU to others: a lower priority than the process has
};

// Lives on the loop; its destruction waits for the work that is being done, drops the rest, and calls nothing any more.
std::unique_ptr<Worker> make_worker(Loop& loop, unsigned threads, Pace pace = Pace::prompt);

}  // namespace fard
