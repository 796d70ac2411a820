// Loops in virtual time, for tests: the world's loop, and one for each simulated process of it, which can be
// stopped, woken and killed as SIGSTOP, SIGCONT and SIGKILL do it.
#pragma once

#include <deque>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/loop.hpp"

namespace fard {

// Time stands still while callbacks run and jumps to the next deadline afterwards. Timers run in the order of their
// deadlines, those of the same time in the order in which they were asked for, and before what was posted; so a run
// depends on nothing but what the callbacks do.
class SimLoop final : public Loop {
  public:
    bool step();                    // runs the next callback, letting time pass until it; false: there is none
    void run_ready();               // runs what is posted and due, until nothing is left of it; time stands still
    void run_until(TimePoint end);  // runs all that is due until `end`, which is the time afterwards
    void run_for(Duration duration) { run_until(now_ + duration); }
    // Runs until `done`, but not past `limit` from now; the result of the last call of `done`.
    template <typename Done>
    bool run_while_not(Done done, Duration limit) {
        const auto end = now_ + limit;
        while (!done()) {
            if (next_time() > end) return false;
            step();
        }
        return true;
    }

    // Time passes and nothing runs, as in a process that was stopped; then everything that is overdue does.
    void sleep(Duration duration) { now_ += duration; }

    void make_readable(int fd);  // calls the watches of a descriptor once

    TimePoint next_deadline();  // of a timer; max() if there is none
    TimePoint next_time();      // when the next callback runs; max() if there is none
    bool idle() { return next_time() > now_; }
    std::size_t pending_timers() const { return callbacks_.size(); }
    std::size_t pending_watches() const { return watches_.size(); }

    TimePoint now() const override { return now_; }
    TimerId call_at(TimePoint when, Callback callback) override;
    void cancel(TimerId timer) override { callbacks_.erase(timer); }
    WatchId watch_readable(int fd, Callback callback) override;
    void unwatch(WatchId watch) override { watches_.erase(watch); }
    void post(Callback callback) override { posted_.push_back(std::move(callback)); }

  private:
    struct Entry {
        TimePoint when;
        TimerId id;
        bool operator<(const Entry& other) const {  // the heap's top is the earliest
            return when != other.when ? when > other.when : id > other.id;
        }
    };
    TimePoint now_{std::chrono::hours(1)};
    TimerId last_ = 0;
    std::vector<Entry> heap_;  // may hold cancelled timers
    std::unordered_map<TimerId, Callback> callbacks_;
    std::map<WatchId, std::pair<int, Callback>> watches_;
    std::deque<Callback> posted_;
};

// The loop of one simulated process.
class SimHost final : public Loop {
  public:
    explicit SimHost(SimLoop& world) : world_(world) {}
    ~SimHost() override { kill(); }

    // While stopped nothing of this process runs. When it wakes, first what has become due in the order of
    // deadlines, then what was delivered to it meanwhile.
    void stop();
    void wake();
    void kill();  // for good: everything pending is gone
    bool running() const { return running_; }

    // Runs `callback` now, or when the process wakes: something that arrives from outside.
    void deliver(Callback callback);

    TimePoint now() const override { return world_.now(); }
    TimerId call_at(TimePoint when, Callback callback) override;
    void cancel(TimerId timer) override;
    WatchId watch_readable(int fd, Callback callback) override {
        return world_.watch_readable(fd, std::move(callback));
    }
    void unwatch(WatchId) override {}
    void post(Callback callback) override { call_at(now(), std::move(callback)); }

  private:
    struct Timer {
        TimePoint when;
        TimerId world_timer;
        Callback callback;
    };
    void fire(TimerId id);

    SimLoop& world_;
    bool running_ = true;
    bool killed_ = false;
    TimerId last_ = 0;
    std::unordered_map<TimerId, Timer> timers_;
    std::vector<Callback> inbox_;  // delivered while stopped
};

}  // namespace fard
