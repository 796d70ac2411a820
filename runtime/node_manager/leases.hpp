// One board's slots: who holds them, who waits for them. Pure: time is passed in, effects are callbacks.
//
// A run has at most one reservation on a board, that of its highest epoch. It stands in one of three ways:
//
//               RESERVE                 COMMIT of this grant
//   (nothing) ----------> queued ----------> tentative ----------> firm
//                           ^     slots free     |   ^              |
//                           +--------------------+   +--------------+
//                            wounded by an older       RESERVE of a higher round, no jobs
//
// From each of them: no message for 3 s, RELEASE, or a RESERVE of a higher epoch ends it. Jobs run only under
// a firm reservation, and outlive it until they are reaped: until then their slots are held, and nobody's.
//
// The lowest ticket comes first. An older request takes the tentative slots of younger runs (which are queued
// again), never firm ones. A request gets all its slots on this board or none; while it waits, younger
// requests get none of what it waits for. docs/reservation.md says why that cannot lock up.
//
// Lives on one thread. Effects run before the call that caused them returns, after the table is settled; they
// may call back into the table (end_jobs may call jobs_ended), and must not destroy it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/body.hpp"
#include "runtime/peer/messages_board.hpp"

namespace fard {

inline constexpr Duration lease_time = std::chrono::seconds(3);  // without a message of its coordinator
inline constexpr Duration renew_interval = std::chrono::seconds(1);
inline constexpr Duration epoch_memory = std::chrono::seconds(60);  // after a run's end on this board

class LeaseTable {
  public:
    struct Effects {
        std::function<void(const PeerId& coordinator, const wire::Grant&)>
            grant;  // ask; the answer says nothing
        std::function<void(const PeerId& coordinator, const wire::Wounded&)>
            wound;  // ask; the answer says nothing
        // Kill and reap this run's jobs up to that epoch, then call jobs_ended, even if no job is left by
        // now.
        std::function<void(const RunId& run, Epoch up_to)> end_jobs;
    };

    LeaseTable(std::vector<wire::DeviceState> devices, Effects effects);

    // Requests of coordinators. Each returns the answer; each may be repeated. Those of an epoch lower than
    // the highest that this board has seen of the run are refused, until epoch_memory after the run's end.
    wire::Body reserve(const PeerId& from, const wire::Reserve& reserve, TimePoint now);
    wire::Body commit(const PeerId& from, const wire::Commit& commit, TimePoint now);
    wire::Body renew(const PeerId& from, const wire::Renew& renew, TimePoint now);
    // `done` gets the answer: at once, or when the run's jobs up to that epoch are reaped.
    void release(const PeerId& from, const wire::Release& release, TimePoint now,
                 std::function<void(wire::Body)> done);

    // Whether jobs of this epoch may be spawned now: under a firm reservation of exactly this epoch. Errors:
    // refused, with the reason.
    Result<> may_spawn(const RunId& run, Epoch epoch, TimePoint now) const;

    // Call right after may_spawn said yes and before the first process starts, with nothing in between (a
    // fetch takes time: ask again after it). From then on the slots are held until jobs_ended. Jobs that have
    // no firm reservation are ended at once.
    void jobs_started(const RunId& run, Epoch epoch);
    // All jobs of the run up to that epoch are reaped, whoever ended them. Without effect if there were none.
    void jobs_ended(const RunId& run, Epoch up_to, TimePoint now);

    // Ends what was not renewed in time. Every call above that takes the time does it first, so a board that
    // slept never acts on a lease that ran out; call it at next_expiry(), too.
    void expire(TimePoint now);
    std::optional<TimePoint> next_expiry() const;

    // Devices as they are now: the same ids in the same order; health, slots and details may be others. Reservations that
    // need what is not there any more are ended, with their jobs; their coordinators hear of it when they renew.
    void set_devices(std::vector<wire::DeviceState> devices, TimePoint now);
    const std::vector<wire::DeviceState>& devices() const { return devices_; }
    std::vector<std::uint32_t> slots_free() const;  // one per device, in the order of devices()

    enum class Standing {
        queued,
        tentative,
        firm,
        ending
    };            // ending: jobs of an ended reservation, being reaped
    struct Row {  // for people, and for tests
        RunId run;
        std::uint64_t ticket = 0;
        Epoch epoch;
        PeerId coordinator;
        Standing standing = Standing::queued;
        std::vector<std::uint32_t> slots;  // wanted or held, one per device
        bool jobs = false;
        friend bool operator==(const Row&, const Row&) = default;
    };
    std::vector<Row> rows() const;
    std::size_t remembered() const { return runs_.size(); }  // runs that are here or were in the last 60 s

  private:
    using Counts = std::vector<std::uint32_t>;  // slots, one per device

    struct Claim {  // the reservation of a run's highest epoch
        Ticket ticket;
        PeerId coordinator;
        Epoch epoch;
        std::uint64_t round = 0;
        Counts slots;
        Standing standing = Standing::queued;
        std::uint64_t decision = 0;
        bool jobs = false;
        TimePoint expires;
    };
    struct Ending {  // jobs that are being reaped, with the slots that they hold
        std::uint64_t ticket = 0;
        PeerId coordinator;
        Epoch epoch;
        Counts slots;
    };
    struct Releasing {
        Epoch epoch;
        std::function<void(wire::Body)> done;
    };
    struct Run {
        Epoch highest;                  // that a command was seen of
        std::optional<Epoch> released;  // no reservation of this epoch or a lower one is made again
        std::optional<Claim> claim;
        std::vector<Ending> endings;
        std::vector<Releasing> releasing;
        TimePoint forget;  // once it has none of the three above
        bool idle() const { return !claim && endings.empty() && releasing.empty(); }
    };
    using Runs = std::map<RunId, Run>;

    bool can_hold(const Counts& slots) const;
    Result<Counts> fit(const std::vector<wire::SlotRequest>& slots) const;
    Result<> check_epoch(const Run& run, const RunId& id, Epoch epoch) const;
    Result<Claim*> own_claim(const PeerId& from, const RunId& id, Epoch epoch);
    wire::Body reserve_again(Run& run, const PeerId& from, const wire::Reserve& reserve, TimePoint now);
    wire::Body claim_anew(Runs::iterator run, const PeerId& from, const wire::Reserve& reserve,
                          TimePoint now);
    void drop_claim(Runs::iterator run);
    void note_if_idle(Runs::iterator run, TimePoint now);
    void forget_runs(TimePoint now);
    void answer_releases(Run& run);

    struct Room;  // what a pass over the waiting claims has left to give
    void settle(const Claim* answered = nullptr);
    bool make_room(const Claim& claim, Room& room, const Claim* answered);
    void wound(Claim& claim, Room& room, const Claim* answered);
    void give_back(const Counts& slots);
    void flush();

    std::vector<wire::DeviceState> devices_;
    Effects effects_;
    Counts used_;  // by tentative and firm claims and by endings
    Runs runs_;
    std::map<Ticket, Runs::iterator> claims_;         // the runs with a claim, oldest first
    std::deque<std::pair<TimePoint, RunId>> forget_;  // when to forget whom; stale for runs that came back
    std::uint64_t decisions_ = 0;
    std::deque<std::function<void()>> effects_due_;  // until the table is settled
    bool flushing_ = false;
};

}  // namespace fard
