#include "runtime/peer/roster.hpp"

#include <algorithm>

#include "runtime/peer/mixing.hpp"

namespace fard {

namespace {

// Two records with the same hash say the same.
std::uint64_t hash_of(const wire::Record& record) {
    return mix(mix(mix(hash_of(record.member.peer) + record.incarnation) + record.state_version) +
               record.overlays_version);
}

bool before(const Roster::Entry& entry, const PeerId& peer) {
    return entry->member.peer.hex < peer.hex;
}

}  // namespace

std::size_t Roster::bucket_of(const PeerId& peer) {
    return hash_of(peer) % buckets;
}

std::size_t Roster::place_of(const PeerId& peer) const {
    return static_cast<std::size_t>(std::lower_bound(entries_.begin(), entries_.end(), peer, before) -
                                    entries_.begin());
}

const wire::Record* Roster::find(const PeerId& peer) const {
    const auto place = place_of(peer);
    return place < size() && entries_[place]->member.peer == peer ? entries_[place].get() : nullptr;
}

void Roster::put(wire::Record record) {
    const auto place = place_of(record.member.peer);
    const bool known = place < size() && entries_[place]->member.peer == record.member.peer;
    if (known) count(*entries_[place], false);
    count(record, true);
    auto entry = std::make_shared<const wire::Record>(std::move(record));
    if (known)
        entries_[place] = std::move(entry);
    else
        entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(place), std::move(entry));
}

void Roster::erase(const PeerId& peer) {
    const auto place = place_of(peer);
    if (place >= size() || entries_[place]->member.peer != peer) return;
    count(*entries_[place], false);
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(place));
}

void Roster::count(const wire::Record& record, bool in) {
    auto& sum = sums_[bucket_of(record.member.peer)];
    sum = in ? sum + hash_of(record) : sum - hash_of(record);
}

wire::Digest Roster::digest() const {
    std::uint64_t hash = 0;
    for (const auto sum : sums_)
        hash = mix(hash + sum);
    return {static_cast<std::uint32_t>(size()), hash};
}

}  // namespace fard
