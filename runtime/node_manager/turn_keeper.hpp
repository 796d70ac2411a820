// Who of the jobs that share a slot has it. One for the jobs of a run on a board, so that no two boards need to agree on
// anything: each follows the order that the run carries, and leaves it only where that order cannot go on.
//
//   waiting --(nobody has the slot, and it is the job's turn)--> JOB_TURN --> its turn
//      ^                                                                        |
//      +------------- JOB_READY: over <--- a batch is computed, or it was ended -+
//
// The next turn is that of the next job in the order that has chunks left to do, whether they are there or not: it loads
// while the boards before it compute. A turn takes a job up to a multiple of a batch. It ends early only if the job stands idle
// while another job of the slot could compute; then that one is next.
//
// Pure: no time, no devices; lives on the node manager's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "runtime/peer/messages_job.hpp"

namespace fard {

class TurnKeeper {
  public:
    struct Terms {
        std::uint64_t batch = 1;    // chunks of a turn
        std::uint64_t chunks = 0;   // that each position will do, as far as that is known
        std::uint64_t wait_ms = 0;  // as JOB_TURN has it
    };
    struct Slot {
        std::vector<std::size_t> order;  // jobs by number; each of them once or more often
    };
    struct Job {
        std::optional<std::uint64_t> share = {};  // how many of the position's chunks it will do, where others have the rest
    };
    // Of so many chunks those that one of several replicas gets, which have a batch each in turn.
    static std::uint64_t share_of(std::uint64_t chunks, std::uint64_t batch, std::uint64_t replica, std::uint64_t replicas);

    // Called from within up(), said() and lost(); must not call back.
    using Tell = std::function<void(std::size_t job, const wire::JobTurn&)>;

    TurnKeeper(Terms terms, std::vector<Job> jobs, std::vector<Slot> slots, Tell tell);

    bool shares(std::size_t job) const { return places_[job].slot != none; }
    bool together(std::size_t one, std::size_t other) const { return shares(one) && places_[one].slot == places_[other].slot; }

    void up(std::size_t job);  // it can be told of turns from now on
    void said(std::size_t job, const wire::JobReady& ready);
    // It is reaped. If it had the slot nobody gets it any more: what it left there is not known, and the run is wired anew.
    void lost(std::size_t job);

    std::size_t holder(std::size_t slot) const { return slots_[slot].holder; }  // `none`: nobody
    static constexpr std::size_t none = ~std::size_t{0};

  private:
    struct Place {
        std::size_t slot = none;
        std::uint64_t chunks = 0;  // that it will do
        bool up = false, lost = false, ready = false, idle = false;
        std::uint64_t done = 0;    // chunks, in all its turns
        std::uint64_t turns = 0;   // that it was given
    };
    struct Held {
        std::vector<std::size_t> order;
        std::size_t next = 0;      // place in the order
        std::size_t holder = none;
        bool ending = false;       // the holder was told to end its turn
        bool closed = false;
    };
    template <typename Is>
    std::size_t first(const Held& slot, Is is) const;
    std::size_t next_of(const Held& slot) const;
    bool wanted_by_others(const Held& slot) const;
    void advance(Held& slot);
    void give(Held& slot, std::size_t at);

    Terms terms_;
    std::vector<Place> places_;
    std::vector<Held> slots_;
    Tell tell_;
};

}  // namespace fard
