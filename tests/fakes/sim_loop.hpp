// A loop in virtual time: nothing happens but what the test lets happen. Header only; not thread-safe.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "base/loop.hpp"

namespace fard {

class SimLoop final : public Loop {
  public:
    TimePoint now() const override { return now_; }

    TimerId call_at(TimePoint when, Callback callback) override {
        timers_.emplace(std::pair{when, ++last_id_}, std::move(callback));
        deadlines_.emplace(last_id_, when);
        return last_id_;
    }
    void cancel(TimerId timer) override {
        const auto found = deadlines_.find(timer);
        if (found == deadlines_.end()) return;
        timers_.erase({found->second, timer});
        deadlines_.erase(found);
    }
    WatchId watch_readable(int fd, Callback callback) override {
        watches_.emplace(++last_id_, std::pair{fd, std::move(callback)});
        return last_id_;
    }
    void unwatch(WatchId watch) override { watches_.erase(watch); }
    void post(Callback callback) override { posted_.push_back(std::move(callback)); }

    // Runs what is posted and due, until nothing is left of it. Time stands still.
    void run_ready() {
        while (run_one()) {
        }
    }

    // Lets time pass, stopping at each deadline on the way.
    void run_for(Duration duration) {
        const auto end = now_ + duration;
        run_ready();
        while (!timers_.empty() && timers_.begin()->first.first <= end) {
            now_ = std::max(now_, timers_.begin()->first.first);
            run_ready();
        }
        now_ = end;
    }

    // Time passes and nothing runs, as in a process that was stopped; then everything that is overdue does.
    void sleep(Duration duration) { now_ += duration; }

    // Calls the watches of a descriptor once.
    void make_readable(int fd) {
        const auto watches = watches_;
        for (const auto& [id, watch] : watches) {
            if (watch.first == fd && watches_.contains(id)) watch.second();
        }
    }

    // The next deadline, if there is one; max() otherwise.
    TimePoint next_deadline() const {
        return timers_.empty() ? TimePoint::max() : timers_.begin()->first.first;
    }
    bool idle() const { return posted_.empty() && next_deadline() > now_; }
    std::size_t pending_timers() const { return timers_.size(); }
    std::size_t pending_watches() const { return watches_.size(); }

  private:
    bool run_one() {  // due timers before what is posted, as on a real loop that slept
        if (!timers_.empty() && timers_.begin()->first.first <= now_) {
            auto node = timers_.extract(timers_.begin());
            deadlines_.erase(node.key().second);
            node.mapped()();
            return true;
        }
        if (posted_.empty()) return false;
        const auto callback = std::move(posted_.front());
        posted_.pop_front();
        callback();
        return true;
    }

    TimePoint now_{std::chrono::hours(1)};
    std::map<std::pair<TimePoint, TimerId>, Callback> timers_;
    std::map<TimerId, TimePoint> deadlines_;
    std::map<WatchId, std::pair<int, Callback>> watches_;
    std::deque<Callback> posted_;
    std::uint64_t last_id_ = 0;
};

}  // namespace fard
