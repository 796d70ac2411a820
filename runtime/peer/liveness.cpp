#include "runtime/peer/liveness.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fard {
namespace {
using namespace std::chrono_literals;
constexpr Duration probe_interval = 100ms;
constexpr Duration late_tick = 250ms;  // later than this: we slept
constexpr std::size_t most_witnesses = 3;
}  // namespace

Liveness::Liveness(Duration tick_interval, Duration silence_limit)
    : tick_interval_(tick_interval), silence_limit_(silence_limit) {}

void Liveness::add(const PeerId& peer, TimePoint now) {
    peers_[peer] = Peer{.heard = now, .known = now};
}
void Liveness::remove(const PeerId& peer) {
    peers_.erase(peer);
}

void Liveness::heard(const PeerId& peer, TimePoint now) {
    const auto found = peers_.find(peer);
    if (found == peers_.end()) return;
    found->second.heard = found->second.known = now;
    found->second.unheard_by_others = false;
    found->second.broken = false;
}

void Liveness::report(const PeerId& about, Duration silent, TimePoint now) {
    const auto found = peers_.find(about);
    if (found == peers_.end()) return;
    auto& peer = found->second;
    if (silent >= silence_limit_ * 3 / 4) {
        peer.unheard_by_others = true;
    } else {
        peer.known = std::max(peer.known, now - silent);
        peer.unheard_by_others = false;
    }
}

void Liveness::connected(const PeerId& peer) {
    const auto found = peers_.find(peer);
    if (found == peers_.end()) return;
    found->second.was_connected = true;
    found->second.broken = false;
}

void Liveness::disconnected(const PeerId& peer) {
    const auto found = peers_.find(peer);
    if (found != peers_.end()) found->second.broken = found->second.was_connected;
}

bool Liveness::refused(const PeerId& peer) const {
    const auto found = peers_.find(peer);
    return found != peers_.end() && found->second.broken;
}

void Liveness::forgive(Duration slept) {
    for (auto& [id, peer] : peers_) {
        peer.heard += slept;
        peer.known += slept;
    }
}

Liveness::Verdicts Liveness::tick(TimePoint now) {
    const auto late = last_tick_ ? now - *last_tick_ - tick_interval_ : Duration(0);
    last_tick_ = now;
    if (late > late_tick) forgive(late);

    Verdicts verdicts;
    for (auto& [id, peer] : peers_) {
        const auto silence = now - peer.known;
        if (silence < silence_limit_) continue;
        const double seconds = std::chrono::duration<double>(now - peer.heard).count();
        if (peer.unheard_by_others) {
            verdicts.lost.emplace_back(
                id, fmt::format("silent for {:.2f} s, and another peer has not heard it either", seconds));
        } else if (silence >= silence_limit_ * 3 / 2) {
            verdicts.lost.emplace_back(
                id, fmt::format("silent for {:.2f} s, also over a fresh connection", seconds));
        } else if (now - peer.probed >= probe_interval) {
            peer.probed = now;
            verdicts.probe.push_back(id);
        }
    }
    for (const auto& [id, why] : verdicts.lost)
        peers_.erase(id);
    return verdicts;
}

std::optional<Duration> Liveness::silent_for(const PeerId& peer, TimePoint now) const {
    const auto found = peers_.find(peer);
    if (found == peers_.end()) return std::nullopt;
    return now - found->second.heard;
}

std::vector<PeerId> Liveness::witnesses(const PeerId& about, TimePoint now) const {
    std::vector<PeerId> chosen;
    for (const auto& [id, peer] : peers_) {
        if (id != about && now - peer.heard < silence_limit_ / 2 && chosen.size() < most_witnesses)
            chosen.push_back(id);
    }
    return chosen;
}

}  // namespace fard
