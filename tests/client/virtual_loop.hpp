// A loop in virtual time: nothing waits, timers run in the order of their deadlines.
#pragma once

#include <deque>
#include <map>
#include <utility>

#include "base/loop.hpp"

namespace fard::test {

class VirtualLoop final : public Loop {
  public:
    TimePoint now() const override { return now_; }
    TimerId call_at(TimePoint when, Callback callback) override {
        timers_.emplace(std::pair{when, ++last_}, std::move(callback));
        when_.emplace(last_, when);
        return last_;
    }
    void cancel(TimerId timer) override {
        const auto found = when_.find(timer);
        if (found == when_.end()) return;
        timers_.erase({found->second, timer});
        when_.erase(found);
    }
    WatchId watch_readable(int, Callback) override { return 0; }
    void unwatch(WatchId) override {}
    void post(Callback callback) override { posted_.push_back(std::move(callback)); }

    // Runs what is due until `duration` has passed.
    void run_for(Duration duration) {
        const auto until = now_ + duration;
        while (true) {
            if (!posted_.empty()) {
                auto callback = std::move(posted_.front());
                posted_.pop_front();
                callback();
            } else if (!timers_.empty() && timers_.begin()->first.first <= until) {
                auto node = timers_.extract(timers_.begin());
                when_.erase(node.key().second);
                now_ = std::max(now_, node.key().first);
                node.mapped()();
            } else {
                break;
            }
        }
        now_ = std::max(now_, until);
    }

    // Time passes and nothing runs: the process was stopped.
    void sleep(Duration duration) { now_ += duration; }

    std::size_t timers() const { return timers_.size(); }

  private:
    TimePoint now_ = TimePoint{} + std::chrono::hours(1);
    std::map<std::pair<TimePoint, TimerId>, Callback> timers_;
    std::map<TimerId, TimePoint> when_;
    std::deque<Callback> posted_;
    TimerId last_ = 0;
};

}  // namespace fard::test
