// Turns at a slot that several jobs share. Chunks are taken in as they come, as many as there is room for; in a turn the device
// is loaded and works on them, those of the lowest indices first (replicas before it may send them in another order), until as
// many are computed as the turn has, or the node manager ends it. What is computed goes out whenever there is room behind, in a
// turn or not, so that the end of a turn waits for nobody but the device.
#include <algorithm>
#include <utility>

#include "jobs/container.hpp"
#include "jobs/container_tools.hpp"

namespace fard {

Result<> Container::pump_turns() {
    for (;;) {
        now_ = monotonic_ns();
        if (look_due_ || now_ - last_look_ >= look_interval_ns)
            if (auto looked = look_around(); !looked) return looked;
        if (draining_) return {};
        if (pacer_) outlet_.flush_paced();
        const auto gathered = gather();
        if (!gathered) return fail(gathered.error());
        const auto went = turn_.on() ? go_on() : Result<bool>(false);
        if (!went) return fail(went.error());
        const bool moved = send_results() || *gathered || *went;
        if (!links_settled_)
            if (auto settled = settle_links(); !settled) return settled;
        if (const auto news = turn_.news(around()))
            if (auto told = control_.tell(*news); !told) return told;
        if (!moved && !look_due_) wait_for_turn();
    }
}

Result<> Container::take_turn(const wire::JobTurn& turn) {
    now_ = monotonic_ns();
    const auto begins = turn_.take(turn, now_);
    if (!begins) return fail(begins.error());
    if (!*begins) return {};
    stats_.turns = turn_.turns();
    device_loaded_ = false;
    load_began_ = now_;
    return guarded("begin_turn", [this] { return job_->begin_turn(); });
}

TurnState::Around Container::around() {
    TurnState::Around around;
    around.inbox = inbox_.size();
    around.outbox = outbox_.size();
    around.inside = inside_.size();
    around.depth = conveyor_ ? conveyor_->depth() : 1;
    if (!inbox_.empty()) outlet_.poll_credit();
    const auto next = !inside_.empty() ? inside_.front().index : !inbox_.empty() ? inbox_.front().index : 0;
    around.room = outlet_.room(next, turn_.reserves());
    around.loaded = !conveyor_ || device_loaded_;
    around.now_ns = now_;
    return around;
}

Result<bool> Container::gather() {
    for (bool moved = false;; moved = true) {
        Chunk chunk;
        const auto taken = inlet_.receive(chunk);
        if (!taken) return fail(taken.error());
        if (!*taken) return moved;
        const auto behind = std::ranges::find_if(inbox_.rbegin(), inbox_.rend(), [&](const Chunk& other) { return other.index < chunk.index; });
        inbox_.insert(behind.base(), std::move(chunk));
    }
}

// In a turn. False: nothing could be done.
Result<bool> Container::go_on() {
    bool moved = false;
    if (conveyor_) {
        const auto taken = take_result();
        if (auto looked = look_at_device(); !looked) return fail(looked.error());
        if (!taken) return taken;
        moved = *taken;
        keep_result();
    }
    if (turn_.may_start(around())) {
        if (auto started = start_one(); !started) return fail(started.error());
        moved = true;
    }
    if (!turn_.may_end(around())) return moved;
    job_->end_turn();
    turn_.end();
    return true;
}

// What finish() left, if it did.
void Container::keep_result() {
    if (!std::exchange(holding_, false)) return;
    outbox_.push_back(std::exchange(chunk_, {}));
    turn_.made();
}

Result<> Container::start_one() {
    auto chunk = std::move(inbox_.front());
    inbox_.pop_front();
    turn_.started();
    now_ = monotonic_ns();
    if (conveyor_) return enter(std::move(chunk));
    chunk_ = std::move(chunk);
    if (auto computed = compute(); !computed) return computed;
    keep_result();
    return {};
}

bool Container::send_results() {
    bool sent = false;
    for (; !outbox_.empty(); sent = true) {
        chunk_ = std::move(outbox_.front());
        if (!push()) {
            outbox_.front() = std::exchange(chunk_, {});
            return sent;
        }
        outbox_.pop_front();
    }
    return sent;
}

void Container::wait_for_turn() {
    if (inside_.empty()) flush_credits();  // somebody may wait for room for a whole batch
    polled_.clear();
    if (turn_.on() && conveyor_ && conveyor_->fd() >= 0 && device_has_work()) watch(conveyor_->fd());
    inlet_.waits_for([this](int fd) { watch(fd); });
    if (!outbox_.empty()) outlet_.waits_for([this](int fd) { watch(fd); });
    if (outbox_.empty() && !inbox_.empty()) outlet_.waits_for_credit([this](int fd) { watch(fd); });
    if (!links_settled_) outlet_.waits_for_opening([this](int fd) { watch(fd); });
    poll_watched(true);
}

}  // namespace fard
