#include "runtime/peer/liveness.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fard {
namespace {
using namespace std::chrono_literals;
constexpr Duration probe_interval = 100ms;
constexpr Duration late_tick = 250ms;  // later than this: we slept
constexpr std::size_t most_witnesses = 3;
constexpr std::size_t most_inquiries = 256, most_askers = 16;
}  // namespace

Liveness::Liveness(Duration tick_interval, Duration silence_limit)
    : tick_interval_(tick_interval), silence_limit_(silence_limit) {}

void Liveness::add(const PeerId& peer, TimePoint now) {
    peers_[peer] = Peer{.heard = now, .known = now};
}
void Liveness::remove(const PeerId& peer) {
    peers_.erase(peer);
}

void Liveness::watch(const std::set<PeerId>& peers, TimePoint now) {
    std::erase_if(peers_, [&](const auto& entry) { return !peers.contains(entry.first); });
    for (const auto& peer : peers)
        if (!peers_.contains(peer)) add(peer, now);
}

void Liveness::heard(const PeerId& peer, TimePoint now) {
    const auto found = peers_.find(peer);
    if (found == peers_.end()) return;
    found->second.heard = found->second.known = now;
    found->second.denied = false;
    found->second.spoke = true;
    found->second.broken = false;
}

void Liveness::report(const PeerId& about, Duration silent, TimePoint now) {
    const auto found = peers_.find(about);
    if (found == peers_.end()) return;
    auto& peer = found->second;
    if (silent < silence_limit_ * 3 / 4) {
        peer.known = std::max(peer.known, now - silent);
        peer.denied = false;
    } else if (now - peer.known >= silence_limit_) {  // else it is the answer to a doubt that is over
        peer.denied = true;
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
        if (peer.denied && silence >= silence_limit_ * 7 / 5) {
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
    std::vector<PeerId> others;  // around the ring from `about` on
    const auto gather = [&](auto from, auto to) {
        for (auto place = from; place != to; ++place)
            if (place->first != about && now - place->second.heard < silence_limit_ / 2)
                others.push_back(place->first);
    };
    const auto start = peers_.lower_bound(about);
    gather(start, peers_.end());
    gather(peers_.begin(), start);
    std::vector<PeerId> chosen;
    for (std::size_t i = 0; chosen.size() < std::min(most_witnesses, others.size()); ++i)
        chosen.push_back(i % 2 == 0 ? others[i / 2] : others[others.size() - 1 - i / 2]);
    return chosen;
}

bool Liveness::alone(TimePoint now) const {
    const auto hearable = std::count_if(peers_.begin(), peers_.end(), [&](const auto& entry) {
        return entry.second.spoke && now - entry.second.heard < silence_limit_;
    });
    return static_cast<std::size_t>(hearable) * 2 < peers_.size();
}

// ---- Inquiries

bool Inquiries::begin(const PeerId& about, Asker asker, TimePoint now) {
    if (!open_.contains(about) && open_.size() >= most_inquiries) return false;
    auto& inquiry = open_[about];
    const bool first = inquiry.askers.empty();
    if (first) inquiry.until = now + patience_;
    // Who asks again is answered once, to its last question.
    const auto same = std::ranges::find(inquiry.askers, asker.way, &Asker::way);
    if (same != inquiry.askers.end())
        *same = std::move(asker);
    else if (inquiry.askers.size() < most_askers)
        inquiry.askers.push_back(std::move(asker));
    return first;
}

std::vector<Inquiries::Asker> Inquiries::heard(const PeerId& about) {
    const auto node = open_.extract(about);
    return node.empty() ? std::vector<Asker>{} : std::move(node.mapped().askers);
}

std::vector<std::pair<PeerId, std::vector<Inquiries::Asker>>> Inquiries::expire(TimePoint now) {
    std::vector<std::pair<PeerId, std::vector<Asker>>> over;
    for (auto place = open_.begin(); place != open_.end();) {
        if (place->second.until > now) {
            ++place;
            continue;
        }
        over.emplace_back(place->first, std::move(place->second.askers));
        place = open_.erase(place);
    }
    return over;
}

}  // namespace fard
