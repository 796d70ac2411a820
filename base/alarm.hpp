// A timer that goes with its owner: destroying it cancels what it would have called.
#pragma once

#include <utility>

#include "base/loop.hpp"

namespace fard {

class Alarm {
  public:
    explicit Alarm(Loop& loop) : loop_(loop) {}
    ~Alarm() { clear(); }
    Alarm(const Alarm&) = delete;
    Alarm& operator=(const Alarm&) = delete;

    // Calls `callback` once at `when`, instead of what was set before.
    void set_at(TimePoint when, Loop::Callback callback) {
        clear();
        timer_ = loop_.call_at(when, [this, run = std::move(callback)] {
            timer_ = 0;
            const auto local = run;  // it may destroy the alarm, and us with it
            local();
        });
    }
    void set(Duration delay, Loop::Callback callback) { set_at(loop_.now() + delay, std::move(callback)); }
    void clear() { loop_.cancel(std::exchange(timer_, 0)); }
    bool is_set() const { return timer_ != 0; }

  private:
    Loop& loop_;
    Loop::TimerId timer_ = 0;
};

}  // namespace fard
