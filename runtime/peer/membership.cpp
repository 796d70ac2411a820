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

}  // namespace

Membership::Membership(std::string cluster, wire::Member self, std::vector<std::string> seeds)
    : cluster_(std::move(cluster)), self_(std::move(self)) {
    for (const auto& seed : seeds) {
        if (seed != self_.front_door) doors_[seed] = {.seed = true, .pause = shortest_pause};
    }
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
        knock_soon(member->front_door, now, try_found_for);
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
    const auto front_door = found->second.front_door;
    bury(peer, why, now, changes);
    if (may_return) knock_soon(front_door, now, try_lost_for);
    return changes;
}

void Membership::add(const wire::Member& member, bool by_itself, TimePoint now, Changes& changes) {
    if (!complete(member) || member.peer == self_.peer || members_.contains(member.peer)) return;
    expire(now);
    if (gone_.contains(member.peer) && !by_itself) return;
    if (members_.size() >= most_members) return;
    // Two processes cannot have bound the same endpoint: the one that we know is no more. Only the newcomer
    // itself may say so, because gossip can be older than what we know.
    for (const auto& [id, known] : std::map(members_)) {
        if (known.publisher != member.publisher && known.heartbeat != member.heartbeat) continue;
        if (!by_itself) return;
        bury(id, "another process took its place", now, changes);
    }
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

void Membership::knock_soon(const std::string& front_door, TimePoint now, Duration duration) {
    auto& door = doors_[front_door];
    if (door.until <= now) {
        door.next = now;
        door.pause = shortest_pause;
    }
    door.until = std::max(door.until, now + duration);
}

bool Membership::at_home(const std::string& front_door) const {
    return std::any_of(members_.begin(), members_.end(),
                       [&](const auto& entry) { return entry.second.front_door == front_door; });
}

void Membership::add_door(const std::string& front_door, TimePoint now) {
    if (front_door != self_.front_door && !at_home(front_door)) knock_soon(front_door, now, try_found_for);
}

void Membership::answered(const std::string& front_door) {
    const auto found = doors_.find(front_door);
    if (found == doors_.end()) return;
    if (found->second.seed)
        found->second = {.seed = true, .pause = shortest_pause};
    else
        doors_.erase(found);
}

std::vector<std::string> Membership::knocks(TimePoint now) {
    std::erase_if(doors_, [&](const auto& entry) { return !entry.second.seed && entry.second.until <= now; });
    std::vector<std::string> due;
    for (auto& [front_door, door] : doors_) {
        const bool wanted = door.until > now || !at_home(front_door);
        if (!wanted || door.next > now) continue;
        door.next = now + door.pause;
        door.pause = std::min(door.pause * 2, longest_pause);
        due.push_back(front_door);
    }
    return due;
}

wire::Hello Membership::our_hello() const {
    return {cluster_, wire::protocol_version, self_};
}
wire::Welcome Membership::our_welcome() const {
    return {members()};
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
