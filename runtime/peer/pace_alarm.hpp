// When what waits for a Pacer goes on, for who moves chunks on a loop.
#pragma once

#include <algorithm>
#include <utility>

#include "base/alarm.hpp"

namespace fard {

// Lives on its loop.
class PaceAlarm {
  public:
    explicit PaceAlarm(Loop& loop) : loop_(loop), alarm_(loop) {}

    // Calls `due` once, at `until` (the epoch of the clock: not at all), unless an earlier call is set already.
    void set(TimePoint until, Loop::Callback due) {
        if (until == TimePoint{}) return alarm_.clear();
        if (alarm_.is_set() && at_ <= until) return;
        at_ = until;
        alarm_.set(std::max<Duration>(until - loop_.now(), shortest), std::move(due));
    }
    void clear() { alarm_.clear(); }

  private:
    static constexpr Duration shortest = std::chrono::microseconds(20);  // so that a clock that is a little ahead is not asked again and again

    Loop& loop_;
    Alarm alarm_;
    TimePoint at_;
};

}  // namespace fard
