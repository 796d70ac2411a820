// Who has to do with whom in the mesh: a rule that each member applies to the members that it knows, so that two who
// know the same agree without asking each other.
//
// Heartbeats go around the ring of the members in the order of their ids: each sends them to the `reach` members
// behind it, and hears those of as many before it.
//
// Up to `dense_limit` members everyone hears everyone. Beyond it a member hears those that it exchanges heartbeats
// with, and some that chance has chosen for the pair (a chord), 3 to 6 on average whatever the number of members; news
// go from neighbour to neighbour. Whom it asks something or is asked by it hears on demand.
#pragma once

#include <set>
#include <vector>

#include "runtime/peer/roster.hpp"

namespace fard {

class Neighbourhood {
  public:
    static constexpr std::size_t dense_limit = 32;
    static constexpr std::size_t reach = 3;

    explicit Neighbourhood(PeerId self) : self_(std::move(self)) {}

    // The roster has changed so; it holds ourselves too.
    void joined(const PeerId& peer, const Roster& roster);
    void lost(const PeerId& peer, const Roster& roster);

    bool dense() const { return members_ <= dense_limit; }
    bool hears(const PeerId& peer, const Roster& roster) const;  // we it, and it us
    std::vector<PeerId> heard(const Roster& roster) const;       // all of them
    bool stays(const PeerId& peer, const Roster& roster) const;  // heard by each other even if some more come
    std::vector<PeerId> behind(const Roster& roster) const;      // whom we send heartbeats, nearest first
    std::vector<PeerId> before(const Roster& roster) const;      // who sends us heartbeats, nearest first

  private:
    bool chord(const PeerId& peer, unsigned doublings) const;
    bool near(const PeerId& peer, const Roster& roster) const;  // by the ring
    void count(const Roster& roster);
    std::vector<PeerId> along(const Roster& roster, bool forward) const;

    PeerId self_;
    std::size_t members_ = 1;
    unsigned doublings_ = 0;  // of 1, to reach the number of members
    std::set<PeerId> chords_;
};

}  // namespace fard
