#include "runtime/peer/gossip.hpp"

#include <algorithm>

namespace fard {

namespace {

using namespace std::chrono_literals;

constexpr Duration digest_interval = 1s;    // of each, where a few hear it
constexpr Duration digests_interval = 250ms;  // of all together, where everyone hears everyone
constexpr Duration early_digest = 100ms;  // after something was learned that others may still lack
constexpr Duration sync_interval = 200ms;
constexpr Duration news_interval = 50ms;  // where they are passed on: many become one message

}  // namespace

Gossip::Deeds Gossip::due(TimePoint now) {
    Deeds deeds;
    if (membership_.has_news() && now >= next_news_) {
        deeds.news = membership_.take_news();
        next_news_ = now + (membership_.neighbourhood().dense() ? Duration(0) : news_interval);
    }
    if (now >= next_digest_) {
        deeds.digest = membership_.digest();
        last_digest_ = now;
        const auto together = digests_interval * static_cast<int>(membership_.roster().size());
        const bool dense = membership_.neighbourhood().dense();
        next_digest_ = now + (dense ? std::max<Duration>(digest_interval, together) : digest_interval);
    }
    if (differs(now)) {
        // Perhaps it is the other who lacks something, and has not heard our digest for a while.
        next_digest_ = std::min(next_digest_, std::max(now, last_digest_ + digest_interval));
        asking_ = true;
        asked_with_ = membership_.digest();
        tried_ = {*other_, asked_with_};
        next_sync_ = now + sync_interval;
        deeds.sync_with = other_->peer;
    }
    return deeds;
}

// The same question is not asked twice: who knows less than we do answers nothing new until its digest changes.
bool Gossip::differs(TimePoint now) {
    if (!other_ || asking_ || now < next_sync_) return false;
    const auto ours = membership_.digest();
    const bool asked = tried_ && tried_->other.peer == other_->peer && tried_->other.digest == other_->digest &&
                       tried_->ours == ours;
    if (!asked && other_->digest != ours && membership_.find(other_->peer) != nullptr) return true;
    other_.reset();
    return false;
}

TimePoint Gossip::next() const {
    auto next = next_digest_;
    if (membership_.has_news()) next = std::min(next, next_news_);
    if (other_ && !asking_) next = std::min(next, next_sync_);
    return next;
}

void Gossip::heard(const PeerId& from, const wire::Digest& digest) {
    if (digest != membership_.digest())
        other_ = {from, digest};
    else if (other_ && other_->peer == from)
        other_.reset();
}

void Gossip::answered(TimePoint now) {
    asking_ = false;
    if (membership_.digest() != asked_with_) next_digest_ = std::min(next_digest_, now + early_digest);
}

}  // namespace fard
