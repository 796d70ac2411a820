// Who belongs to the mesh and what each publishes, as one peer knows it: the rules of joining, news and loss, without
// sockets, in whatever time it is told.
//
// Everything that is known of a member is one record. The member itself counts its incarnations and the versions of
// its state; of two records the one with the higher incarnation, and then the higher version, is the newer, so that
// everyone who has got the same records, in whatever order, knows the same.
//
// Members are added by HELLO, WELCOME and news; they go by LEAVE, by our own judgement (heartbeats), by news, or when
// another peer appears at their endpoints (a restarted board). Who went is remembered for 10 minutes: in that time only
// a higher incarnation brings it back. A member that hears that it is taken for gone raises its incarnation and says so.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/neighbourhood.hpp"
#include "runtime/peer/roster.hpp"

namespace fard {

class Membership {
  public:
    // `self`: our own record; its incarnation should be higher than that of a former life with the same id.
    Membership(std::string cluster, wire::Record self, const std::vector<Address>& seeds);

    struct Change {
        enum class Kind { joined, lost, state } kind;
        wire::Member member;
        std::string why = {};  // of a loss
    };
    using Changes = std::vector<Change>;

    // Whom else than by the rules here: nobody of whom it says false becomes a member.
    void admit_by(std::function<bool(const wire::Member&)> admits) { admits_ = std::move(admits); }

    // Whether we have heard a peer ourselves of late: then it is not gone because others say that it is silent.
    void believe_ears(std::function<bool(const PeerId&)> hears) { hears_ = std::move(hears); }

    // A peer that wants to join, or one that wants to be heard. Errors: refused (another cluster, another protocol
    // version, too many members), invalid_input (no id, or without endpoints).
    Result<Changes> hello(const wire::Hello& hello, TimePoint now);
    Changes welcome(const wire::Welcome& welcome, TimePoint now);
    Changes news(const PeerId& from, const wire::News& news, TimePoint now);
    Changes synced(const PeerId& from, const wire::News& news, TimePoint now);  // the answer to our SYNC
    Changes leave(const PeerId& peer, TimePoint now);
    // By our own judgement. `may_return`: it is silent, perhaps only cut off, and is knocked at for 10 minutes; else
    // its process has ended. `alone`: so are most of those that we should hear, perhaps we are the one who is cut off;
    // then the others are not told unless we are not alone any more.
    Changes lost(const PeerId& peer, const std::string& why, bool may_return, bool alone, TimePoint now);
    void not_alone(TimePoint now);

    // Our own state, false if it is what it was.
    bool publish(wire::BoardState state);
    // A member's state; nothing where it has not published yet.
    std::optional<wire::BoardState> state_of(const PeerId& peer) const;

    wire::Hello our_hello(bool listen = false) const;
    wire::Welcome our_welcome(const wire::Hello& to) const;
    wire::Digest digest() const { return roster_.digest(); }
    wire::Sync our_sync() const;
    wire::News differences(const wire::Sync& sync) const;  // what the asker may lack, some 256 KiB at most

    // What others are to be told: what we alone know, or are to pass on. In messages of some 64 KiB.
    bool has_news() const { return !news_.empty(); }
    std::vector<wire::News> take_news();

    // Front doors to say HELLO at now: seeds that have not led to a member, lost members that may only have been cut
    // off, and who takes us for gone; some of them at a time. Each is named again after a pause that grows from 250 ms
    // to 5 s, but not while `waits_at` says that a HELLO to it has no answer yet.
    std::vector<Address> knocks(TimePoint now, const std::function<bool(const Endpoint&)>& waits_at = {});
    void add_seed(const Address& front_door);
    void add_door(const Address& front_door, TimePoint now);  // found by a beacon; tried for 10 s
    // With WELCOME by this peer (ourselves, where a seed is another name of our own front door).
    void answered(const Endpoint& front_door, const PeerId& by);

    const wire::Member& self() const { return roster_.find(self_)->member; }
    std::vector<wire::Member> members() const;           // self first
    const wire::Member* find(const PeerId& peer) const;  // also self; nullptr if it is no member
    std::string name_of(
        const PeerId& peer) const;  // "board NAME", also of one that went; else "peer 0123abcd"
    const Roster& roster() const { return roster_; }
    const Neighbourhood& neighbourhood() const { return neighbourhood_; }

    void begin_with(const Roster& roster);  // as if all of these had been heard of

  private:
    enum class Source { itself, news, sync };
    struct Tombstone {
        wire::Record record;
        TimePoint forgotten;
        TimePoint told{};  // to others from then on, if we are not alone
        bool held = false; // is not told yet
    };
    struct Door {
        PublicKey key;
        bool seed = false;  // to be knocked at whenever its board is no member
        PeerId led_to{};    // who answered there last
        TimePoint until{};  // and until then in any case
        TimePoint next{};   // not before this
        Duration pause{};   // from the next knock to the one after
    };
    bool at_home(const Endpoint& front_door, const Door& door) const;  // its board is a member
    void merge(const wire::Record& record, Source source, TimePoint now, Changes& changes);
    void merge_self(const wire::Record& record);
    void merge_known(const wire::Record& known, const wire::Record& record, Source source, TimePoint now,
                     Changes& changes);
    void merge_unknown(const wire::Record& record, Source source, TimePoint now, Changes& changes);
    void add(wire::Record record, Source source, TimePoint now, Changes& changes);
    void bury(const wire::Record& gone, Source source, bool held, TimePoint now, Changes& changes);
    void raise(std::uint64_t above);
    void spread(const PeerId& peer, unsigned parts, Source source);
    void knock_soon(const Address& front_door, TimePoint now, Duration duration);
    void expire(TimePoint now);

    std::string cluster_;
    PeerId self_;
    Roster roster_;
    Neighbourhood neighbourhood_;
    std::function<bool(const PeerId&)> hears_;
    std::function<bool(const wire::Member&)> admits_;
    std::map<PeerId, Tombstone> gone_;
    std::map<PeerId, unsigned> news_;  // to be told: which parts of its record
    std::map<Endpoint, Door> doors_;
};

}  // namespace fard
