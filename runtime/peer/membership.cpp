#include "runtime/peer/membership.hpp"

#include <algorithm>
#include <array>

#include "base/printable.hpp"

namespace fard {
namespace {

using namespace std::chrono_literals;

constexpr Duration memory_of_the_gone = 600s;
constexpr Duration try_lost_for = 600s;
constexpr Duration try_found_for = 10s;
constexpr Duration hold_back = 2s;  // what may only be our own loneliness
constexpr Duration shortest_pause = 250ms;
constexpr Duration longest_pause = 5s;
constexpr std::size_t most_members = 8192;
constexpr std::size_t most_doors = 64;           // found by beacons
constexpr std::size_t most_knocks = 8;           // at a time
constexpr std::size_t most_welcomed_to = 256;    // members in a WELCOME; SYNC brings the others
constexpr std::size_t most_overlays = 1024;      // told of one board
constexpr std::size_t news_bytes = 64u << 10;    // in one message, about
constexpr std::size_t answer_bytes = 256u << 10, most_answer_bytes = 1u << 20;  // about
constexpr unsigned state_part = 1, overlays_part = 2;

bool complete(const wire::Member& member) {
    return !member.peer.empty() && !member.front_door.empty() && !member.publisher.empty() &&
           !member.heartbeat.empty() && is_printable(member.name);
}

// Where it says to be reached must be a place for us as well: a board that others reach over a network takes nobody who
// names sockets of this machine, which a stranger could make it connect to.
bool is_within_reach(const wire::Member& member, const wire::Member& self) {
    return self.front_door.is_on_this_machine() ||
           (!member.front_door.is_on_this_machine() && !member.publisher.is_on_this_machine() &&
            !member.heartbeat.is_on_this_machine());
}

wire::Record stone(const wire::Record& record, std::string why, bool ended) {
    wire::Record gone;
    gone.member.peer = record.member.peer;
    gone.member.name = record.member.name;
    gone.life = record.life;
    gone.incarnation = record.incarnation;
    gone.gone = why.empty() ? "it is gone" : std::move(why);
    gone.ended = ended;
    return gone;
}

// A record with the wanted parts of its state only.
wire::Record excerpt(const wire::Record& record, unsigned parts) {
    wire::Record told = record;
    if ((parts & state_part) == 0) told.state.clear();
    if ((parts & overlays_part) == 0) {
        told.with_overlays = false;
        told.overlays.clear();
    }
    return told;
}

std::size_t size_of(const wire::Record& record) {
    return 400 + 68 * record.overlays.size() + (record.state.empty() ? 0 : 200 * record.state[0].devices.size());
}

// Takes the newer parts of `from`; which ones.
unsigned take_parts(wire::Record& record, const wire::Record& from) {
    unsigned taken = 0;
    if (!from.state.empty() && from.state_version > record.state_version) {
        record.state = {from.state.front()};
        record.state_version = from.state_version;
        taken |= state_part;
    }
    if (from.with_overlays && from.overlays_version > record.overlays_version) {
        record.overlays = from.overlays;
        record.with_overlays = true;
        record.overlays_version = from.overlays_version;
        taken |= overlays_part;
    }
    return taken;
}

// A record as it is kept: with the versions of what has come with it.
wire::Record kept(const wire::Record& record) {
    auto result = record;
    result.state_version = result.overlays_version = 0;
    result.state.clear();
    result.with_overlays = false;
    result.overlays.clear();
    take_parts(result, record);
    return result;
}

}  // namespace

Membership::Membership(std::string cluster, wire::Record self, const std::vector<Address>& seeds)
    : cluster_(std::move(cluster)), self_(self.member.peer), neighbourhood_(self_) {
    roster_.put(std::move(self));
    for (const auto& seed : seeds)
        add_seed(seed);
}

void Membership::add_seed(const Address& seed) {
    if (seed.endpoint == self().front_door) return;
    auto& door = doors_[seed.endpoint];
    door.key = seed.key;
    if (std::exchange(door.seed, true)) return;
    door.next = {};
    door.pause = shortest_pause;
}

void Membership::begin_with(const Roster& roster) {
    const auto self = *roster_.find(self_);
    roster_ = roster;
    roster_.put(self);
    for (const auto& entry : roster_)
        neighbourhood_.joined(entry->member.peer, roster_);
}

// ---- what is heard

Result<Membership::Changes> Membership::hello(const wire::Hello& hello, TimePoint now) {
    if (hello.cluster != cluster_) {
        return fail(Fault::refused,
                    "board {} at {} belongs to cluster '{}', not to '{}'; give both the same cluster id",
                    self().name, self().front_door, cluster_, hello.cluster);
    }
    if (hello.protocol != wire::protocol_version) {
        return fail(Fault::refused,
                    "board {} at {} speaks protocol version {}, not {}; run the same fard on both",
                    self().name, self().front_door, wire::protocol_version, hello.protocol);
    }
    const auto& record = hello.record;
    if (!complete(record.member)) return fail(Fault::invalid_input, "HELLO without an id or an endpoint, or with a name that cannot be shown");
    if (!is_within_reach(record.member, self()))
        return fail(Fault::refused,
                    "board {} at {} cannot reach board {} at {}, {}, {}; give it addresses that other machines reach",
                    self().name, self().front_door, record.member.name, record.member.front_door,
                    record.member.publisher, record.member.heartbeat);
    if (record.member.peer != self_ && admits_ && !admits_(record.member))
        return fail(Fault::refused, "board {} has no key that board {} takes from a node", record.member.name, self().name);
    Changes changes;
    if (record.member.peer == self_) return changes;
    if (roster_.size() >= most_members && roster_.find(record.member.peer) == nullptr)
        return fail(Fault::refused, "cluster '{}' has {} members already", cluster_, roster_.size());
    merge(record, Source::itself, now, changes);
    return changes;
}

Membership::Changes Membership::welcome(const wire::Welcome& welcome, TimePoint now) {
    Changes changes;
    // The first is who welcomes us, and so speaks for itself.
    auto source = Source::itself;
    for (const auto& record : welcome.records)
        merge(record, std::exchange(source, Source::sync), now, changes);
    return changes;
}

Membership::Changes Membership::news(const PeerId& from, const wire::News& news, TimePoint now) {
    Changes changes;
    const auto before = roster_.find(self_)->incarnation;
    for (const auto& record : news.records)
        merge(record, Source::news, now, changes);
    // Who takes us for gone does not hear us any more: it must be told at its front door.
    const auto* teller = find(from);
    if (roster_.find(self_)->incarnation != before && teller != nullptr)
        knock_soon(teller->door(), now, try_found_for);
    return changes;
}

Membership::Changes Membership::synced(const PeerId& from, const wire::News& news, TimePoint now) {
    Changes changes;
    const auto before = roster_.find(self_)->incarnation;
    for (const auto& record : news.records)
        merge(record, Source::sync, now, changes);
    const auto* teller = find(from);
    if (roster_.find(self_)->incarnation != before && teller != nullptr)
        knock_soon(teller->door(), now, try_found_for);
    return changes;
}

Membership::Changes Membership::leave(const PeerId& peer, TimePoint now) {
    Changes changes;
    if (const auto* known = roster_.find(peer); known != nullptr && peer != self_)
        bury(stone(*known, "it left", true), Source::news, false, now, changes);
    return changes;
}

Membership::Changes Membership::lost(const PeerId& peer, const std::string& why, bool may_return, bool alone,
                                     TimePoint now) {
    Changes changes;
    const auto* known = roster_.find(peer);
    if (known == nullptr || peer == self_) return changes;
    const auto front_door = known->member.door();
    bury(stone(*known, why, !may_return), Source::itself, alone, now, changes);
    if (may_return) knock_soon(front_door, now, try_lost_for);
    return changes;
}

void Membership::not_alone(TimePoint now) {
    for (auto& [peer, tombstone] : gone_) {
        if (!tombstone.held || tombstone.told > now) continue;
        tombstone.held = false;
        news_[peer] = 0;
    }
}

// ---- merging

void Membership::merge(const wire::Record& record, Source source, TimePoint now, Changes& changes) {
    const auto& peer = record.member.peer;
    if (peer.empty()) return;
    if (peer == self_) return merge_self(record);
    if (record.gone.empty() && !complete(record.member)) return;
    if (const auto* known = roster_.find(peer); known != nullptr)
        merge_known(*known, record, source, now, changes);
    else
        merge_unknown(record, source, now, changes);
}

// Others may take us for gone, know a former life of our id, or have raised our incarnation when we said HELLO.
void Membership::merge_self(const wire::Record& record) {
    auto self = *roster_.find(self_);
    if (record.gone.empty() && record.life == self.life) {
        if (record.incarnation <= self.incarnation) return;
        self.incarnation = record.incarnation;
        roster_.put(std::move(self));
    } else if (record.incarnation >= self.incarnation) {
        raise(record.incarnation);
    }
}

void Membership::raise(std::uint64_t above) {
    auto self = *roster_.find(self_);
    self.incarnation = above + 1;
    roster_.put(std::move(self));
    spread(self_, state_part | overlays_part, Source::itself);
}

void Membership::merge_known(const wire::Record& known, const wire::Record& record, Source source, TimePoint now,
                             Changes& changes) {
    const auto& peer = record.member.peer;  // `known` goes with the first change of the roster
    const bool restarted = record.life != known.life;
    if (record.incarnation < known.incarnation && !(restarted && source == Source::itself)) return;
    if (!record.gone.empty()) {
        if (!record.ended && hears_ && hears_(peer)) return;  // it will say so itself, too
        return bury(stone(record, record.gone, record.ended), source, false, now, changes);
    }
    if (restarted) {
        if (record.incarnation == known.incarnation && source != Source::itself) return;
        bury(stone(known, "it was restarted", true), source, false, now, changes);
        return merge_unknown(record, source, now, changes);
    }
    auto newer = known;
    newer.member = record.incarnation > known.incarnation ? record.member : known.member;
    newer.incarnation = record.incarnation;
    const auto parts = take_parts(newer, record);
    if (parts == 0 && record.incarnation == known.incarnation) return;
    const auto member = newer.member;
    roster_.put(std::move(newer));
    spread(peer, parts, source);
    if (parts != 0) changes.push_back({Change::Kind::state, member});
}

void Membership::merge_unknown(const wire::Record& record, Source source, TimePoint now, Changes& changes) {
    expire(now);
    const auto grave = gone_.find(record.member.peer);
    const bool newer = grave == gone_.end() || record.incarnation > grave->second.record.incarnation;
    if (!record.gone.empty()) {
        if (grave == gone_.end() && gone_.size() >= most_members) return;
        if (newer) bury(stone(record, record.gone, record.ended), source, false, now, changes);
        return;
    }
    auto risen = kept(record);
    if (!newer) {
        if (source != Source::itself) return;
        risen.incarnation = grave->second.record.incarnation + 1;  // it lives: the others must believe it, too
    }
    add(std::move(risen), source, now, changes);
}

void Membership::add(wire::Record record, Source source, TimePoint now, Changes& changes) {
    const auto& member = record.member;
    if (roster_.size() >= most_members) return;
    if (!complete(member) || !is_within_reach(member, self()) || (admits_ && !admits_(member))) return;
    // Two processes cannot have bound the same endpoint: one of them is no more. Of ourselves we know that we live; of
    // two others the newcomer itself may say which, or that it is the younger; news can be older than what we know.
    const auto& us = self();
    if (us.publisher == member.publisher || us.heartbeat == member.heartbeat)
        return bury(stone(record, "another process took its place", true), Source::itself, false, now, changes);
    const auto same = std::find_if(roster_.begin(), roster_.end(), [&](const Roster::Entry& entry) {
        return entry->member.publisher == member.publisher || entry->member.heartbeat == member.heartbeat;
    });
    if (same != roster_.end()) {
        if (source != Source::itself && (*same)->incarnation >= record.incarnation) return;
        bury(stone(**same, "another process took its place", true), source, false, now, changes);
    }
    const auto peer = member.peer;
    gone_.erase(peer);
    changes.push_back({Change::Kind::joined, member});
    if (!record.state.empty()) changes.push_back({Change::Kind::state, member});
    roster_.put(std::move(record));
    neighbourhood_.joined(peer, roster_);
    spread(peer, state_part | overlays_part, source);
}

// `gone` is kept; its member is taken from the roster, if it is there.
void Membership::bury(const wire::Record& gone, Source source, bool held, TimePoint now, Changes& changes) {
    const auto peer = gone.member.peer;
    gone_[peer] = {gone, now + memory_of_the_gone, now + hold_back, held};
    if (!held) spread(peer, 0, source);
    const auto* known = roster_.find(peer);
    if (known == nullptr) return;
    changes.push_back({Change::Kind::lost, known->member, gone.gone});
    if (held) news_.erase(peer);
    roster_.erase(peer);
    neighbourhood_.lost(peer, roster_);
}

// Where everyone hears everyone, who knows something at first hand tells it; else all pass it on, but for what they
// have asked for: that is known elsewhere already.
void Membership::spread(const PeerId& peer, unsigned parts, Source source) {
    if (source == Source::itself || (source == Source::news && !neighbourhood_.dense())) news_[peer] |= parts;
}

void Membership::expire(TimePoint now) {
    std::erase_if(gone_, [&](const auto& entry) { return entry.second.forgotten <= now; });
}

// ---- our own state

bool Membership::publish(wire::BoardState state) {
    auto self = *roster_.find(self_);
    auto overlays = std::move(state.overlays);
    if (overlays.size() > most_overlays) overlays.resize(most_overlays);
    state.overlays.clear();
    unsigned changed = 0;
    if (self.state.empty() || self.state.front() != state) {
        self.state = {std::move(state)};
        ++self.state_version;
        changed |= state_part;
    }
    if (self.overlays != overlays) {
        self.overlays = std::move(overlays);
        self.with_overlays = true;
        ++self.overlays_version;
        changed |= overlays_part;
    }
    if (changed == 0) return false;
    roster_.put(std::move(self));
    spread(self_, changed, Source::itself);
    return true;
}

std::optional<wire::BoardState> Membership::state_of(const PeerId& peer) const {
    const auto* record = roster_.find(peer);
    if (record == nullptr || record->state.empty()) return std::nullopt;
    auto state = record->state.front();
    state.overlays = record->overlays;
    return state;
}

// ---- what is told

wire::Hello Membership::our_hello(bool listen) const {
    return {cluster_, wire::protocol_version, excerpt(*roster_.find(self_), state_part), listen};
}

wire::Welcome Membership::our_welcome(const wire::Hello& to) const {
    wire::Welcome welcome{{excerpt(*roster_.find(self_), state_part)}, {}};
    const auto& guest = to.record.member.peer;
    if (const auto* known = roster_.find(guest); known != nullptr && guest != self_)
        welcome.records.push_back(excerpt(*known, 0));
    if (to.listen) return welcome;
    // Those around the guest first: they will be its neighbours.
    std::size_t bytes = 0;
    for (std::size_t i = 0, place = roster_.place_of(guest); i < roster_.size(); ++i) {
        const auto& record = roster_[(place + i) % roster_.size()];
        if (record.member.peer == guest || record.member.peer == self_) continue;
        bytes += size_of(record);
        if (bytes > answer_bytes || welcome.records.size() > most_welcomed_to) break;
        welcome.records.push_back(record);
    }
    return welcome;
}

wire::Sync Membership::our_sync() const {
    return {{roster_.sums().begin(), roster_.sums().end()}};
}

// Part by part, because an asker that has got all of a part does not ask for it again: so it comes to know all, however
// many answers that takes.
wire::News Membership::differences(const wire::Sync& sync) const {
    wire::News news;
    if (sync.sums.size() != Roster::buckets) return news;
    std::array<std::vector<const wire::Record*>, Roster::buckets> parts;
    const auto gather = [&](const wire::Record& record) {
        const auto bucket = Roster::bucket_of(record.member.peer);
        if (sync.sums[bucket] != roster_.sums()[bucket]) parts[bucket].push_back(&record);
    };
    for (const auto& [peer, tombstone] : gone_)
        if (!tombstone.held) gather(tombstone.record);
    for (const auto& entry : roster_)
        gather(*entry);
    std::size_t bytes = 0;
    for (const auto& part : parts) {
        for (const auto* record : part) {
            if (bytes > most_answer_bytes) return news;
            bytes += size_of(*record);
            news.records.push_back(*record);
        }
        if (bytes > answer_bytes) return news;
    }
    return news;
}

// Graves first, because a newcomer may be at the endpoints of one that is gone.
std::vector<wire::News> Membership::take_news() {
    std::vector<wire::Record> records;
    const auto news = std::exchange(news_, {});
    for (const auto& [peer, parts] : news)
        if (const auto grave = gone_.find(peer); grave != gone_.end()) records.push_back(grave->second.record);
    for (const auto& [peer, parts] : news)
        if (const auto* known = roster_.find(peer); known != nullptr) records.push_back(excerpt(*known, parts));

    std::vector<wire::News> messages;
    std::size_t bytes = news_bytes;
    for (auto& record : records) {
        if (bytes >= news_bytes) {
            messages.emplace_back();
            bytes = 0;
        }
        bytes += size_of(record);
        messages.back().records.push_back(std::move(record));
    }
    return messages;
}

// ---- doors

void Membership::knock_soon(const Address& front_door, TimePoint now, Duration duration) {
    auto& door = doors_[front_door.endpoint];
    door.key = front_door.key;
    if (door.until <= now) {
        door.next = now;
        door.pause = shortest_pause;
    }
    door.until = std::max(door.until, now + duration);
}

bool Membership::at_home(const Endpoint& front_door, const Door& door) const {
    if (!door.led_to.empty() && find(door.led_to) != nullptr) return true;
    return std::any_of(roster_.begin(), roster_.end(),
                       [&](const Roster::Entry& entry) { return entry->member.front_door == front_door; });
}

void Membership::add_door(const Address& front_door, TimePoint now) {
    const auto found = doors_.find(front_door.endpoint);
    if (found == doors_.end() && doors_.size() >= most_doors) return;
    if (!at_home(front_door.endpoint, found == doors_.end() ? Door{} : found->second))
        knock_soon(front_door, now, try_found_for);
}

void Membership::answered(const Endpoint& front_door, const PeerId& by) {
    const auto found = doors_.find(front_door);
    if (found == doors_.end()) return;
    if (found->second.seed)
        found->second = {.key = found->second.key, .seed = true, .led_to = by, .pause = shortest_pause};
    else
        doors_.erase(found);
}

std::vector<Address> Membership::knocks(TimePoint now, const std::function<bool(const Endpoint&)>& waits_at) {
    std::erase_if(doors_, [&](const auto& entry) { return !entry.second.seed && entry.second.until <= now; });
    std::vector<Address> due;
    for (auto& [front_door, door] : doors_) {
        if (door.next > now || due.size() >= most_knocks) continue;
        const bool wanted = door.until > now || !at_home(front_door, door);
        if (!wanted || (waits_at && waits_at(front_door))) continue;
        door.next = now + door.pause;
        door.pause = std::min(door.pause * 2, longest_pause);
        due.push_back({front_door, door.key});
    }
    return due;
}

// ---- who is there

std::vector<wire::Member> Membership::members() const {
    std::vector<wire::Member> all{self()};
    for (const auto& entry : roster_)
        if (entry->member.peer != self_) all.push_back(entry->member);
    return all;
}

const wire::Member* Membership::find(const PeerId& peer) const {
    const auto* record = roster_.find(peer);
    return record == nullptr ? nullptr : &record->member;
}

std::string Membership::name_of(const PeerId& peer) const {
    const auto* member = find(peer);
    if (const auto gone = gone_.find(peer); member == nullptr && gone != gone_.end())
        member = &gone->second.record.member;
    return member != nullptr && !member->name.empty() ? "board " + member->name
                                                      : "peer " + peer.hex.substr(0, 8);
}

}  // namespace fard
