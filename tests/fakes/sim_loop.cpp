#include "tests/fakes/sim_loop.hpp"

#include <algorithm>

namespace fard {

Loop::TimerId SimLoop::call_at(TimePoint when, Callback callback) {
    const auto id = ++last_;
    callbacks_.emplace(id, std::move(callback));
    heap_.push_back({when, id});
    std::push_heap(heap_.begin(), heap_.end());
    return id;
}

Loop::WatchId SimLoop::watch_readable(int fd, Callback callback) {
    const auto id = ++last_;
    watches_.emplace(id, std::pair{fd, std::move(callback)});
    return id;
}

void SimLoop::make_readable(int fd) {
    const auto watches = watches_;
    for (const auto& [id, watch] : watches) {
        if (watch.first == fd && watches_.contains(id)) watch.second();
    }
}

TimePoint SimLoop::next_deadline() {
    while (!heap_.empty() && !callbacks_.contains(heap_.front().id)) {
        std::pop_heap(heap_.begin(), heap_.end());
        heap_.pop_back();
    }
    return heap_.empty() ? TimePoint::max() : heap_.front().when;
}

TimePoint SimLoop::next_time() {
    return posted_.empty() ? next_deadline() : std::min(now_, next_deadline());
}

bool SimLoop::step() {
    const auto deadline = next_deadline();
    if (!posted_.empty() && deadline > now_) {
        const auto callback = std::move(posted_.front());
        posted_.pop_front();
        callback();
        return true;
    }
    if (heap_.empty()) return false;
    now_ = std::max(now_, deadline);
    const auto node = callbacks_.extract(heap_.front().id);
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    node.mapped()();
    return true;
}

void SimLoop::run_ready() {
    while (!idle()) step();
}

void SimLoop::run_until(TimePoint end) {
    while (next_time() <= end) step();
    now_ = std::max(now_, end);
}

Loop::TimerId SimHost::call_at(TimePoint when, Callback callback) {
    const auto id = ++last_;
    if (killed_) return id;
    const auto world_timer = world_.call_at(when, [this, id] { fire(id); });
    timers_.emplace(id, Timer{when, world_timer, std::move(callback)});
    return id;
}

void SimHost::cancel(TimerId timer) {
    const auto found = timers_.find(timer);
    if (found == timers_.end()) return;
    world_.cancel(found->second.world_timer);
    timers_.erase(found);
}

void SimHost::fire(TimerId id) {
    if (!running_) return;  // stays in timers_ until the process wakes
    const auto node = timers_.extract(id);
    node.mapped().callback();
}

void SimHost::deliver(Callback callback) {
    if (killed_) return;
    if (running_) return callback();
    inbox_.push_back(std::move(callback));
}

void SimHost::stop() {
    running_ = false;
}

void SimHost::wake() {
    if (running_ || killed_) return;
    running_ = true;
    std::vector<std::pair<TimePoint, TimerId>> due;
    for (const auto& [id, timer] : timers_) {
        if (timer.when <= now()) due.emplace_back(timer.when, id);
    }
    std::sort(due.begin(), due.end());
    // Each as a callback of its own, so that a test can look at the world between two of them.
    for (const auto& [when, id] : due) {
        auto& timer = timers_.at(id);
        world_.cancel(timer.world_timer);
        timer.world_timer = world_.call_at(now(), [this, timer_id = id] { fire(timer_id); });
    }
    auto inbox = std::move(inbox_);
    inbox_.clear();
    for (auto& message : inbox)
        post(std::move(message));
}

void SimHost::kill() {
    for (const auto& [id, timer] : timers_)
        world_.cancel(timer.world_timer);
    timers_.clear();
    inbox_.clear();
    running_ = false;
    killed_ = true;
}

}  // namespace fard
