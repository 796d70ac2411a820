#include "jobs/turn_state.hpp"

#include <algorithm>

namespace fard {

Result<bool> TurnState::take(const wire::JobTurn& turn, std::uint64_t now_ns) {
    if (turn.chunks == 0) {
        ending_ = ending_ || (on_ && turn.number == number_);
        return false;
    }
    if (on_) return fail(Fault::failed, "turn {} began while turn {} was on", turn.number, number_);
    number_ = turn.number;
    chunks_ = turn.chunks;
    begun_ = made_ = 0;
    on_ = true;
    ending_ = false;
    patience_ns_ = std::min<std::uint64_t>(turn.wait_ms, 86'400'000) * 1'000'000;
    active_ns_ = now_ns;
    ++turns_;
    return true;
}

bool TurnState::may_start(const Around& around) const {
    if (!on_ || ending_ || begun_ == chunks_ || around.inbox == 0 || around.outbox > 0 || around.inside >= around.depth) return false;
    return reserves_ == 0 || around.room >= chunks_ - made_;
}

void TurnState::made() {
    ++made_;
    ++all_made_;
}

bool TurnState::may_end(const Around& around) const {
    return on_ && (ending_ || made_ == chunks_) && around.inside == 0 && around.loaded;
}

void TurnState::end() {
    on_ = ending_ = false;
}

std::optional<wire::JobReady> TurnState::news(const Around& around) {
    const bool busy = around.inside > 0 || !around.loaded || begun_ + all_made_ != seen_;
    if (busy) active_ns_ = around.now_ns;
    seen_ = begun_ + all_made_;
    wire::JobReady now;
    now.over = on_ ? number_ - 1 : number_;
    now.chunks = all_made_;
    now.ready = !on_ && around.inbox > 0 && around.outbox == 0 && around.room >= reserves_;
    now.idle = on_ && !busy && around.now_ns >= active_ns_ + patience_ns_;
    if (now.over == told_.over && now.ready == told_.ready && now.idle == told_.idle) return std::nullopt;
    told_ = now;
    return now;
}

}  // namespace fard
