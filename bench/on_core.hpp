// Where the scheduler puts the processes of a chain, and whether it lets one wake the next on the same core, changes a
// chain's latency by half, for seconds at a time. So both chains of a comparison have their processes in the same places.
#pragma once

#include <sched.h>

namespace fard::bench {

// What is started while this lives runs on one of the cores that we may use, counted round and round.
class OnCore {
  public:
    explicit OnCore(unsigned number) {
        ::sched_getaffinity(0, sizeof before_, &before_);
        const auto count = static_cast<unsigned>(CPU_COUNT(&before_));
        cpu_set_t one;
        CPU_ZERO(&one);
        for (unsigned core = 0, nth = 0; core < CPU_SETSIZE; ++core)
            if (CPU_ISSET(core, &before_) && nth++ == number % count) CPU_SET(core, &one);
        ::sched_setaffinity(0, sizeof one, &one);
    }
    ~OnCore() { ::sched_setaffinity(0, sizeof before_, &before_); }
    OnCore(const OnCore&) = delete;
    OnCore& operator=(const OnCore&) = delete;

  private:
    cpu_set_t before_;
};

}  // namespace fard::bench
