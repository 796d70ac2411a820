// Who is alive: the judgement behind the heartbeats, without sockets or threads, in whatever time it is told.
//
// A peer counts as heard when it says anything to us, or when another peer says that it heard it. After
// `silence_limit` without either it is probed: others are asked, and it is asked over a fresh connection. It
// is lost as soon as another peer has not heard it either, and at the latest after one and a half times the
// limit. A peer whose connection breaks and where nobody listens any more is lost at once.
#pragma once

#include <map>
#include <optional>
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
    bool contains(const PeerId& peer) const { return peers_.contains(peer); }

    void heard(const PeerId& peer, TimePoint now);
    // What another peer says: that it has not heard `about` for `silent`. More than three quarters of the
    // limit, while it is silent for us too, makes it lost.
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
    std::vector<PeerId> witnesses(const PeerId& about, TimePoint now) const;  // up to 3 others, heard of late

  private:
    struct Peer {
        TimePoint heard;  // by ourselves
        TimePoint known;  // by anyone
        TimePoint probed{};
        bool unheard_by_others = false;  // since it is silent
        bool was_connected = false;
        bool broken = false;
    };
    void forgive(Duration slept);

    Duration tick_interval_, silence_limit_;
    std::optional<TimePoint> last_tick_;
    std::map<PeerId, Peer> peers_;
};

}  // namespace fard
