// Who is alive: the judgement behind the heartbeats, without sockets or threads, in whatever time it is told.
//
// A peer counts as heard when it says anything to us, or when another peer says that it heard it. After `silence_limit`
// without either it is probed: up to three others are asked, and it is asked over a fresh connection. It is lost after
// 1.4 times the limit when one of them has not heard it either and no other one has, and at the latest after 1.5 times
// the limit. A peer whose connection breaks and where nobody listens any more is lost at once.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "runtime/peer/ids.hpp"

namespace fard {

class Liveness {
  public:
    Liveness(Duration tick_interval, Duration silence_limit);

    void add(const PeerId& peer, TimePoint now);  // heard just now, to begin with
    void remove(const PeerId& peer);
    void watch(const std::set<PeerId>& peers, TimePoint now);  // these and no others
    bool contains(const PeerId& peer) const { return peers_.contains(peer); }

    void heard(const PeerId& peer, TimePoint now);
    // What another peer says: that it has not heard `about` for `silent`; not, if that is more than three quarters of
    // the limit.
    void report(const PeerId& about, Duration silent, TimePoint now);

    void connected(const PeerId& peer);
    void disconnected(const PeerId& peer);
    bool refused(const PeerId& peer) const;  // nobody listens there; true: its process has ended

    struct Verdicts {
        std::vector<PeerId> probe;                         // to be asked about now
        std::vector<std::pair<PeerId, std::string>> lost;  // and why; removed already
    };
    // To be called once per tick interval. A call that comes late means that we slept, not that they were
    // silent.
    Verdicts tick(TimePoint now);

    std::optional<Duration> silent_for(const PeerId& peer, TimePoint now) const;  // by our own ears
    // Up to 3 others that were heard of late, the neighbours of `about` on the ring first.
    std::vector<PeerId> witnesses(const PeerId& about, TimePoint now) const;
    // Of those that we watch, most are silent: perhaps it is we who are cut off.
    bool alone(TimePoint now) const;

  private:
    struct Peer {
        TimePoint heard;  // by ourselves
        TimePoint known;  // by anyone
        TimePoint probed{};
        bool denied = false;  // by another, since it is silent
        bool spoke = false;   // since it was added
        bool was_connected = false;
        bool broken = false;
    };
    void forgive(Duration slept);

    Duration tick_interval_, silence_limit_;
    std::optional<TimePoint> last_tick_;
    std::map<PeerId, Peer> peers_;  // in the order of the ring
};

// The questions of others whether we hear somebody whom we do not watch: asked ourselves, answered when it has answered
// or the time is up.
class Inquiries {
  public:
    struct Asker {
        std::string way;  // back to it
        std::uint64_t sequence = 0;
    };
    explicit Inquiries(Duration patience) : patience_(patience) {}

    bool begin(const PeerId& about, Asker asker, TimePoint now);  // true: it is to be asked; false: it was
    std::vector<Asker> heard(const PeerId& about);                // who is to be told that it lives
    std::vector<std::pair<PeerId, std::vector<Asker>>> expire(TimePoint now);  // who is to be told that it does not
    bool about(const PeerId& peer) const { return open_.contains(peer); }

  private:
    struct Inquiry {
        TimePoint until;
        std::vector<Asker> askers;
    };
    Duration patience_;
    std::map<PeerId, Inquiry> open_;
};

}  // namespace fard
