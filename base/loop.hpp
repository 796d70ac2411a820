// The event loop that owns a thread. One real implementation (AsioLoop), one in virtual time (tests/fakes/sim_loop).
//
// Everything on a loop runs on the loop's thread, one callback at a time; callbacks must not block. `post` alone may
// be called from another thread. Time is monotonic; deadlines are points of it, so a process that slept finds its
// deadlines past when it wakes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace fard {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::steady_clock::time_point;

class Loop {
  public:
    using TimerId = std::uint64_t;  // 0 is never a timer
    using WatchId = std::uint64_t;  // 0 is never a watch
    using Callback = std::function<void()>;

    virtual ~Loop() = default;

    virtual TimePoint now() const = 0;

    // Calls `callback` once at `when` or as soon after it as the loop is free. Timers that are due run before
    // descriptors that are readable, in the order of their deadlines.
    virtual TimerId call_at(TimePoint when, Callback callback) = 0;
    TimerId call_after(Duration delay, Callback callback) { return call_at(now() + delay, std::move(callback)); }
    virtual void cancel(TimerId timer) = 0;  // no effect on a timer that has run, or on 0

    // Calls `callback` each time the descriptor is readable (level-triggered), until unwatch. The caller keeps the
    // descriptor open until then.
    virtual WatchId watch_readable(int fd, Callback callback) = 0;
    virtual void unwatch(WatchId watch) = 0;

    // Runs `callback` on the loop soon. Thread-safe.
    virtual void post(Callback callback) = 0;
};

}  // namespace fard
