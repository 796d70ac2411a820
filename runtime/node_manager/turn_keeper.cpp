#include "runtime/node_manager/turn_keeper.hpp"

#include <algorithm>
#include <utility>

namespace fard {

TurnKeeper::TurnKeeper(Terms terms, std::vector<Job> jobs, std::vector<Slot> slots, Tell tell)
    : terms_(terms), places_(jobs.size()), tell_(std::move(tell)) {
    terms_.batch = std::max<std::uint64_t>(1, terms_.batch);
    for (std::size_t job = 0; job < jobs.size(); ++job)
        places_[job].chunks = jobs[job].share.value_or(terms_.chunks);
    for (auto& slot : slots) {
        for (const auto job : slot.order)
            places_[job].slot = slots_.size();
        slots_.push_back({.order = std::move(slot.order)});
    }
}

std::uint64_t TurnKeeper::share_of(std::uint64_t chunks, std::uint64_t batch, std::uint64_t replica, std::uint64_t replicas) {
    batch = std::max<std::uint64_t>(1, batch);
    const auto round = batch * std::max<std::uint64_t>(1, replicas), before = batch * replica, rest = chunks % round;
    return chunks / round * batch + std::min(batch, rest - std::min(rest, before));
}

void TurnKeeper::up(std::size_t job) {
    auto& place = places_[job];
    if (place.slot == none) return;
    place.up = true;
    advance(slots_[place.slot]);
}

void TurnKeeper::said(std::size_t job, const wire::JobReady& ready) {
    auto& place = places_[job];
    if (place.slot == none) return;
    auto& slot = slots_[place.slot];
    place.ready = ready.ready;
    place.idle = ready.idle;
    place.done = ready.chunks;
    if (slot.holder == job && ready.over == place.turns) {
        slot.holder = none;
        place.idle = false;
    }
    advance(slot);
}

void TurnKeeper::lost(std::size_t job) {
    auto& place = places_[job];
    if (place.slot == none) return;
    place.lost = true;
    place.ready = false;
    auto& slot = slots_[place.slot];
    if (slot.holder != job) return;
    slot.holder = none;
    slot.closed = true;
}

// The first in the order, from whose turn it is, of whom `is` says yes.
template <typename Is>
std::size_t TurnKeeper::first(const Held& slot, Is is) const {
    for (std::size_t step = 0; step < slot.order.size(); ++step) {
        const auto at = (slot.next + step) % slot.order.size();
        if (const auto& place = places_[slot.order[at]]; !place.lost && is(place)) return at;
    }
    return none;
}

// The place in the order of who is next; `none`: nobody has anything to do. After a turn that was ended early it is one that can compute
// now, as long as there is one. Chunks that were counted need not be there yet; if it does more than those, they must be.
std::size_t TurnKeeper::next_of(const Held& slot) const {
    if (slot.ending)
        if (const auto at = first(slot, [](const Place& place) { return place.ready; }); at != none) return at;
    return first(slot, [](const Place& place) { return place.ready || place.done < place.chunks; });
}

bool TurnKeeper::wanted_by_others(const Held& slot) const {
    return std::ranges::any_of(slot.order, [&](std::size_t job) { return job != slot.holder && places_[job].ready; });
}

void TurnKeeper::advance(Held& slot) {
    if (slot.closed) return;
    if (slot.holder != none) {
        const auto& holder = places_[slot.holder];
        if (slot.ending || !holder.idle || !wanted_by_others(slot)) return;
        slot.ending = true;
        return tell_(slot.holder, {holder.turns, 0, terms_.wait_ms});
    }
    // Who comes first does: a job that is not up yet keeps its turn.
    if (const auto at = next_of(slot); at != none && places_[slot.order[at]].up) give(slot, at);
}

void TurnKeeper::give(Held& slot, std::size_t at) {
    const auto job = slot.order[at];
    auto& place = places_[job];
    slot.holder = job;
    slot.ending = false;
    slot.next = (at + 1) % slot.order.size();
    place.ready = place.idle = false;
    ++place.turns;
    auto chunks = terms_.batch - place.done % terms_.batch;
    if (place.done < place.chunks) chunks = std::min(chunks, place.chunks - place.done);
    tell_(job, {place.turns, chunks, terms_.wait_ms});
}

}  // namespace fard
