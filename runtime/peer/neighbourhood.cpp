#include "runtime/peer/neighbourhood.hpp"

#include <algorithm>
#include <bit>

#include "runtime/peer/mixing.hpp"

namespace fard {

namespace {
constexpr std::uint64_t chords_at_most = 6;  // on average, where the members are a power of two
}  // namespace

bool Neighbourhood::chord(const PeerId& peer, unsigned doublings) const {
    const auto pair = mix(hash_of(self_) + hash_of(peer));  // the same from both ends
    return (pair >> 16) < (chords_at_most << 48 >> doublings);
}

void Neighbourhood::count(const Roster& roster) {
    members_ = roster.size();
    const auto doublings = static_cast<unsigned>(std::bit_width(std::max<std::size_t>(members_, 1) - 1));
    if (doublings == doublings_) return;
    doublings_ = doublings;
    chords_.clear();
    for (const auto& entry : roster)
        if (entry->member.peer != self_ && chord(entry->member.peer, doublings_)) chords_.insert(entry->member.peer);
}

void Neighbourhood::joined(const PeerId& peer, const Roster& roster) {
    count(roster);
    if (peer != self_ && chord(peer, doublings_)) chords_.insert(peer);
}

void Neighbourhood::lost(const PeerId& peer, const Roster& roster) {
    chords_.erase(peer);
    count(roster);
}

std::vector<PeerId> Neighbourhood::along(const Roster& roster, bool forward) const {
    std::vector<PeerId> found;
    const auto size = roster.size();
    const auto us = roster.place_of(self_);
    for (std::size_t step = 1; step <= reach && step < size; ++step)
        found.push_back(roster[(us + (forward ? step : size - step)) % size].member.peer);
    return found;
}

std::vector<PeerId> Neighbourhood::behind(const Roster& roster) const {
    return along(roster, true);
}
std::vector<PeerId> Neighbourhood::before(const Roster& roster) const {
    return along(roster, false);
}

bool Neighbourhood::hears(const PeerId& peer, const Roster& roster) const {
    if (peer == self_) return false;
    return dense() || chords_.contains(peer) || near(peer, roster);
}

bool Neighbourhood::near(const PeerId& peer, const Roster& roster) const {
    const auto size = roster.size();
    const auto gap = (roster.place_of(peer) + size - roster.place_of(self_)) % size;
    return gap <= reach || size - gap <= reach;
}

bool Neighbourhood::stays(const PeerId& peer, const Roster& roster) const {
    constexpr unsigned beyond_dense = std::bit_width(dense_limit);
    return peer != self_ && (chord(peer, std::max(doublings_, beyond_dense)) || near(peer, roster));
}

std::vector<PeerId> Neighbourhood::heard(const Roster& roster) const {
    std::vector<PeerId> all;
    if (dense()) {
        for (const auto& entry : roster)
            if (entry->member.peer != self_) all.push_back(entry->member.peer);
        return all;
    }
    all.assign(chords_.begin(), chords_.end());
    for (const bool forward : {true, false})
        for (auto& peer : along(roster, forward))
            if (!chords_.contains(peer)) all.push_back(std::move(peer));
    return all;
}

}  // namespace fard
