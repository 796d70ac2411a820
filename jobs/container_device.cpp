// Chunks through a device: as many are in it as it takes, and the job's thread waits for it and the links together.
#include <utility>

#include "jobs/container.hpp"
#include "jobs/container_tools.hpp"

namespace fard {

// A device that computes on this thread ends here: pump() has the shorter way for it.
Result<> Container::pump_device() {
    for (;;) {
        now_ = monotonic_ns();
        if (look_due_ || now_ - last_look_ >= look_interval_ns)
            if (auto looked = look_around(); !looked) return looked;
        if (draining_) return {};
        if (pacer_) outlet_.flush_paced();
        const auto moved = move_chunks();
        if (auto looked = look_at_device(); !looked) return looked;
        if (!moved) return fail(moved.error());
        if (!links_settled_)
            if (auto settled = settle_links(); !settled) return settled;
        if (device_loaded_ && inside_.empty() && !holding_ && conveyor_->fd() < 0) return pump();
        if (!*moved && !look_due_) wait_for_device();
    }
}

Result<> Container::look_at_device() {
    if (const auto news = conveyor_->news())
        if (auto told = control_.tell(wire::JobDevice{static_cast<std::uint8_t>(news->state), news->why}); !told) return told;
    if (device_loaded_ || !conveyor_->loaded()) return {};
    device_loaded_ = true;
    if (pacer_) pacer_->tolerate(conveyor_->tolerance());
    now_ = monotonic_ns();
    stats_.load_ns += now_ - load_began_;
    for (auto& chunk : inside_)
        chunk.started = now_;
    show_oldest();
    if (!linked_) show<std::uint64_t>(page_.step, 1);
    return {};
}

// Results first: they make room. False: nothing could be done.
Result<bool> Container::move_chunks() {
    bool moved = false;
    const bool held = holding_;
    if (!held) {
        const auto taken = take_result();
        if (!taken) return taken;
        moved = *taken;
    }
    if (holding_ && push()) moved = true;
    if (held && !holding_) conveyor_->taken_from(std::chrono::steady_clock::now());
    if (inside_.size() < conveyor_->depth()) {
        const auto taken = take_input();
        if (!taken) return taken;
        moved = moved || *taken;
    } else if (pacer_) {
        if (auto came = inlet_.come_in(); !came) return fail(came.error());  // the ways go on while the device is full
    }
    return moved;
}

Result<bool> Container::take_result() {
    auto result = guarded("the device", [this] { return conveyor_->take(); });
    if (result && !*result) return false;
    now_ = monotonic_ns();
    if (!result && !conveyor_->loaded()) return fail_in(config_.name, result.error());  // no chunk's fault
    if (inside_.empty()) return fail_in(config_.name, result ? Error{Fault::failed, "a result of no chunk"} : result.error());
    auto chunk = std::move(inside_.front());
    inside_.pop_front();
    show_oldest();
    stats_.compute_ns += now_ - std::max(chunk.started, last_result_);
    last_result_ = now_;
    auto one = result ? Result<Chunk>(std::move(**result)) : Result<Chunk>(fail(result.error()));
    if (auto finished = finish(std::move(one), chunk.index, std::move(chunk.header), std::move(chunk.trace), chunk.started);
        !finished)
        return fail(finished.error());
    return true;
}

Result<bool> Container::take_input() {
    Chunk chunk;
    const auto taken = inlet_.receive(chunk);
    if (!taken || !*taken) return taken;
    now_ = monotonic_ns();
    if (auto entered = enter(std::move(chunk)); !entered) return fail(entered.error());
    return true;
}

Result<> Container::enter(Chunk chunk) {
    inside_.push_back({chunk.index, std::move(chunk.header), std::move(chunk.trace), now_, now_});
    show_oldest();
    auto put = guarded("the device", [&] { return conveyor_->put(std::move(chunk)); });
    if (!put) return fail_in(config_.name, put.error());
    return {};
}

bool Container::device_has_work() const {
    return !device_loaded_ || !inside_.empty();
}

// The chunk that the node manager's chunk_timeout counts; a device that loads has its own limit.
void Container::show_oldest() {
    if (inside_.empty() || !device_loaded_) return page_.busy_since_ns.store(0, std::memory_order_relaxed);
    show(page_.busy_index, inside_.front().index);
    page_.busy_since_ns.store(std::max(inside_.front().started, last_result_), std::memory_order_release);
}

// Nobody takes a result while one is held, or asks a device that has no chunk: its descriptor would stay readable.
void Container::wait_for_device() {
    polled_.clear();
    if (!holding_ && device_has_work()) watch(conveyor_->fd());
    const bool wants_input = inside_.size() < conveyor_->depth();
    if (wants_input || pacer_) inlet_.waits_for([this](int fd) { watch(fd); });
    if (holding_) outlet_.waits_for([this](int fd) { watch(fd); });
    if (!links_settled_) outlet_.waits_for_opening([this](int fd) { watch(fd); });
    poll_watched(wants_input);
}

}  // namespace fard
