// The clock that an emulated device keeps to: the machine's, or a test's.
#pragma once

#include <cstdint>
#include <memory>

namespace fard {

class EmulatedTime {
  public:
    virtual ~EmulatedTime() = default;
    virtual std::int64_t now_ns() const = 0;       // as CLOCK_MONOTONIC
    virtual void wake_at(std::int64_t time_ns) = 0;  // the one time from which on fd() is readable
    virtual void sleep() = 0;                      // none
    virtual int fd() const = 0;                    // -1: a test looks by itself
};

// Errors leave fd() at -1: the device is then polled.
std::unique_ptr<EmulatedTime> make_real_time();

}  // namespace fard
