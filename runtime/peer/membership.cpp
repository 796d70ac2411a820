#include "runtime/peer/membership.hpp"

#include <algorithm>

namespace fard {
namespace {

using namespace std::chrono_literals;

constexpr Duration memory_of_the_gone = 60s;
constexpr Duration try_lost_for = 600s;
constexpr Duration try_found_for = 10s;
constexpr Duration shortest_pause = 250ms;
constexpr Duration longest_pause = 5s;
constexpr std::size_t most_members = 1024;

bool complete(const wire::Member& member) {
    return !member.peer.empty() && !member.front_door.empty() && !member.publisher.empty() &&
           !member.heartbeat.empty();
}

// Where it says to be reached must be a place for us as well: a board that others reach over a network takes nobody who
// names sockets of this machine, which a stranger could make it connect to.
bool is_within_reach(const wire::Member& member, const wire::Member& self) {
    return self.front_door.is_on_this_machine() ||
           (!member.front_door.is_on_this_machine() && !member.publisher.is_on_this_machine() &&
            !member.heartbeat.is_on_this_machine());
}

// Two processes cannot have bound the same endpoint.
bool in_place_of(const wire::Member& a, const wire::Member& b) {
    return a.publisher == b.publisher || a.heartbeat == b.heartbeat;
}

}  // namespace

Membership::Membership(std::string cluster, wire::Member self, const std::vector<Address>& seeds)
    : cluster_(std::move(cluster)), self_(std::move(self)) {
    for (const auto& seed : seeds)
        add_seed(seed);
}

void Membership::add_seed(const Address& seed) {
    if (seed.endpoint == self_.front_door) return;
    auto& door = doors_[seed.endpoint];
    door.key = seed.key;
    if (std::exchange(door.seed, true)) return;
    door.next = {};
    door.pause = shortest_pause;
}

Result<Membership::Changes> Membership::hello(const wire::Hello& hello, TimePoint now) {
    if (hello.cluster != cluster_) {
        return fail(Fault::refused,
                    "board {} at {} belongs to cluster '{}', not to '{}'; give both the same cluster id",
                    self_.name, self_.front_door, cluster_, hello.cluster);
    }
    if (hello.protocol != wire::protocol_version) {
        return fail(Fault::refused,
                    "board {} at {} speaks protocol version {}, not {}; run the same fard on both",
                    self_.name, self_.front_door, wire::protocol_version, hello.protocol);
    }
    if (!complete(hello.member)) return fail(Fault::invalid_input, "HELLO without an id or an endpoint");
    if (!is_within_reach(hello.member, self_))
        return fail(Fault::refused,
                    "board {} at {} cannot reach board {} at {}, {}, {}; give it addresses that other machines reach",
                    self_.name, self_.front_door, hello.member.name, hello.member.front_door,
                    hello.member.publisher, hello.member.heartbeat);
    if (admits_ && !admits_(hello.member))
        return fail(Fault::refused, "board {} has no key that board {} takes from a node", hello.member.name, self_.name);
    if (hello.member.peer != self_.peer && in_place_of(hello.member, self_))
        return fail(Fault::refused, "board {} names the endpoints of board {}, which are taken", hello.member.name,
                    self_.name);
    Changes changes;
    if (hello.member.peer != self_.peer) add(hello.member, true, now, changes);
    return changes;
}

Membership::Changes Membership::welcome(const wire::Welcome& welcome, TimePoint now) {
    Changes changes;
    // The first is who welcomes us, and so speaks for itself.
    for (std::size_t i = 0; i < welcome.members.size(); ++i)
        add(welcome.members[i], i == 0, now, changes);
    return changes;
}

Membership::Changes Membership::gossip(const PeerId& from, const wire::Gossip& gossip, TimePoint now) {
    Changes changes;
    bool knows_us = false;
    for (const auto& member : gossip.members) {
        knows_us = knows_us || member.peer == self_.peer;
        add(member, false, now, changes);
    }
    if (const auto* member = find(from); member != nullptr && !knows_us)
        knock_soon(member->door(), now, try_found_for);
    return changes;
}

Membership::Changes Membership::leave(const PeerId& peer, TimePoint now) {
    Changes changes;
    bury(peer, "it left", now, changes);
    return changes;
}

Membership::Changes Membership::lost(const PeerId& peer, const std::string& why, bool may_return,
                                     TimePoint now) {
    Changes changes;
    const auto found = members_.find(peer);
    if (found == members_.end()) return changes;
    const auto front_door = found->second.door();
    bury(peer, why, now, changes);
    if (may_return) knock_soon(front_door, now, try_lost_for);
    return changes;
}

void Membership::add(const wire::Member& member, bool by_itself, TimePoint now, Changes& changes) {
    if (!complete(member) || member.peer == self_.peer || members_.contains(member.peer)) return;
    if (!is_within_reach(member, self_) || in_place_of(member, self_)) return;
    if (admits_ && !admits_(member)) return;
    expire(now);
    if (gone_.contains(member.peer) && !by_itself) return;
    if (members_.size() >= most_members) return;
    // Of two in one place the one that we know is no more. Only the newcomer itself may say so, because gossip can be
    // older than what we know.
    std::vector<PeerId> replaced;
    for (const auto& [id, known] : members_)
        if (in_place_of(known, member)) replaced.push_back(id);
    if (!replaced.empty() && !by_itself) return;
    for (const auto& id : replaced)
        bury(id, "another process took its place", now, changes);
    gone_.erase(member.peer);
    members_[member.peer] = member;
    changes.push_back({Change::Kind::joined, member, ""});
}

void Membership::bury(const PeerId& peer, const std::string& why, TimePoint now, Changes& changes) {
    const auto node = members_.extract(peer);
    if (node.empty()) return;
    gone_[peer] = {node.mapped(), now + memory_of_the_gone};
    changes.push_back({Change::Kind::lost, node.mapped(), why});
}

void Membership::expire(TimePoint now) {
    std::erase_if(gone_, [&](const auto& entry) { return entry.second.forgotten <= now; });
}

void Membership::knock_soon(const Address& front_door, TimePoint now, Duration duration) {
    auto& door = doors_[front_door.endpoint];
    door.key = front_door.key;
    if (door.until <= now) {
        door.next = now;
        door.pause = shortest_pause;
    }
    door.until = std::max(door.until, now + duration);
}

bool Membership::at_home(const Endpoint& front_door) const {
    const auto door = doors_.find(front_door);
    if (door != doors_.end() && (members_.contains(door->second.home) || door->second.home == self_.peer)) return true;
    return std::any_of(members_.begin(), members_.end(),
                       [&](const auto& entry) { return entry.second.front_door == front_door; });
}

void Membership::add_door(const Address& front_door, TimePoint now) {
    if (front_door.endpoint == self_.front_door || at_home(front_door.endpoint)) return;
    if (doors_.size() >= most_members && !doors_.contains(front_door.endpoint)) return;
    knock_soon(front_door, now, try_found_for);
}

void Membership::answered(const Endpoint& front_door, const PeerId& peer) {
    const auto found = doors_.find(front_door);
    if (found == doors_.end()) return;
    if (found->second.seed)
        found->second = {.key = found->second.key, .seed = true, .home = peer, .pause = shortest_pause};
    else
        doors_.erase(found);
}

std::vector<Address> Membership::knocks(TimePoint now) {
    std::erase_if(doors_, [&](const auto& entry) { return !entry.second.seed && entry.second.until <= now; });
    std::vector<Address> due;
    for (auto& [front_door, door] : doors_) {
        const bool wanted = door.until > now || !at_home(front_door);
        if (!wanted || door.next > now) continue;
        door.next = now + door.pause;
        door.pause = std::min(door.pause * 2, longest_pause);
        due.push_back({front_door, door.key});
    }
    return due;
}

wire::Hello Membership::our_hello() const {
    return {cluster_, wire::protocol_version, self_};
}
wire::Welcome Membership::our_welcome() const {
    return {members(), {}};
}

wire::Gossip Membership::our_gossip(TimePoint now) {
    expire(now);
    wire::Gossip gossip{members(), {}};
    for (const auto& [peer, tombstone] : gone_)
        gossip.lost.push_back(peer);
    return gossip;
}

std::vector<wire::Member> Membership::members() const {
    std::vector<wire::Member> all{self_};
    for (const auto& [id, member] : members_)
        all.push_back(member);
    return all;
}

const wire::Member* Membership::find(const PeerId& peer) const {
    if (peer == self_.peer) return &self_;
    const auto found = members_.find(peer);
    return found == members_.end() ? nullptr : &found->second;
}

std::string Membership::name_of(const PeerId& peer) const {
    const auto* member = find(peer);
    if (const auto gone = gone_.find(peer); member == nullptr && gone != gone_.end())
        member = &gone->second.member;
    return member != nullptr && !member->name.empty() ? "board " + member->name
                                                      : "peer " + peer.hex.substr(0, 8);
}

}  // namespace fard
