// Who belongs to the mesh, as one peer knows it: the rules of joining, gossip and loss, without sockets, in
// whatever time it is told.
//
// Members are added by HELLO, WELCOME and gossip; they go by LEAVE, by our own judgement (heartbeats), or
// when another peer appears at their endpoints (a restarted board). Who went is remembered for 60 s: in that
// time no gossip brings it back, only its own HELLO does. A peer that is missing in another's gossip says
// HELLO to it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard {

class Membership {
  public:
    Membership(std::string cluster, wire::Member self, const std::vector<Address>& seeds);

    // Whom else than by the rules here: nobody of whom it says false becomes a member.
    void admit_by(std::function<bool(const wire::Member&)> admits) { admits_ = std::move(admits); }

    struct Change {
        enum class Kind { joined, lost } kind;
        wire::Member member;
        std::string why;  // of a loss
    };
    using Changes = std::vector<Change>;

    // A peer that wants to join. Errors: refused (another cluster, another protocol version), invalid_input
    // (no id, or without endpoints).
    Result<Changes> hello(const wire::Hello& hello, TimePoint now);
    Changes welcome(const wire::Welcome& welcome, TimePoint now);
    Changes gossip(const PeerId& from, const wire::Gossip& gossip, TimePoint now);
    Changes leave(const PeerId& peer, TimePoint now);
    // `may_return`: it is silent, perhaps only cut off, and is knocked at for 10 minutes; else its process
    // has ended.
    Changes lost(const PeerId& peer, const std::string& why, bool may_return, TimePoint now);

    wire::Hello our_hello() const;
    wire::Welcome our_welcome() const;
    wire::Gossip our_gossip(TimePoint now);

    // Front doors to say HELLO at now: seeds that are not among the members, lost members that may only have
    // been cut off, and who forgot us. Each is named again after a pause that grows from 250 ms to 5 s.
    std::vector<Address> knocks(TimePoint now);
    void add_seed(const Address& front_door);
    void add_door(const Address& front_door, TimePoint now);  // found by a beacon; tried for 10 s
    // With the WELCOME of `peer`: not to be knocked at while that is a member, whatever address it gives itself.
    void answered(const Endpoint& front_door, const PeerId& peer);

    const wire::Member& self() const { return self_; }
    std::vector<wire::Member> members() const;           // self first
    const wire::Member* find(const PeerId& peer) const;  // also self; nullptr if it is no member
    std::string name_of(
        const PeerId& peer) const;  // "board NAME", also of one that went; else "peer 0123abcd"

  private:
    struct Tombstone {
        wire::Member member;
        TimePoint forgotten;
    };
    struct Door {
        PublicKey key;
        bool seed = false;  // to be knocked at whenever its board is no member
        PeerId home;        // who answered there last
        TimePoint until{};  // and until then in any case
        TimePoint next{};   // not before this
        Duration pause{};   // from the next knock to the one after
    };
    bool at_home(const Endpoint& front_door) const;  // its board is a member
    void add(const wire::Member& member, bool by_itself, TimePoint now, Changes& changes);
    void bury(const PeerId& peer, const std::string& why, TimePoint now, Changes& changes);
    void knock_soon(const Address& front_door, TimePoint now, Duration duration);
    void expire(TimePoint now);

    std::function<bool(const wire::Member&)> admits_;
    std::string cluster_;
    wire::Member self_;
    std::map<PeerId, wire::Member> members_;  // without self
    std::map<PeerId, Tombstone> gone_;
    std::map<Endpoint, Door> doors_;
};

}  // namespace fard
