// A job's side of taking turns at a slot (the node manager's is runtime/node_manager/turn_keeper.hpp): what it may do now, and what its
// node manager must know. Pure: what is around it is passed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/result.hpp"
#include "runtime/peer/messages_job.hpp"

namespace fard {

class TurnState {
  public:
    struct Around {
        std::size_t inbox = 0;   // chunks that wait to be computed
        std::size_t outbox = 0;  // results that wait to be sent
        std::size_t inside = 0;  // chunks in the device
        std::size_t depth = 1;   // that may be in it
        std::uint64_t room = 0;  // results that the jobs behind have room for, as far as reserves() goes
        bool loaded = true;      // the device has the job's overlay; as long as a turn is on
        std::uint64_t now_ns = 0;
    };

    // `reserves` as in JobSpec.
    explicit TurnState(std::uint64_t reserves = 0) : reserves_(reserves) {}

    // JOB_TURN. True: a turn begins. Errors: failed (one is on already).
    Result<bool> take(const wire::JobTurn& turn, std::uint64_t now_ns);
    bool on() const { return on_; }
    std::uint64_t turns() const { return turns_; }
    std::uint64_t reserves() const { return reserves_; }

    // Whether a chunk may go into the device: the turn has one left, and all its results have a place to go to.
    bool may_start(const Around& around) const;
    void started() { ++begun_; }
    void made();  // one result

    // Whether the turn is over: the device is empty, and the chunks are computed or the node manager has said so. A load that has
    // begun is waited for; results that wait to be sent are not.
    bool may_end(const Around& around) const;
    void end();

    // JOB_READY, if it has changed. Called again and again.
    std::optional<wire::JobReady> news(const Around& around);

  private:
    std::uint64_t reserves_;
    std::uint64_t number_ = 0, chunks_ = 0, begun_ = 0, made_ = 0;  // of the turn
    bool on_ = false, ending_ = false;
    std::uint64_t patience_ns_ = 0, active_ns_ = 0, seen_ = 0;
    std::uint64_t turns_ = 0, all_made_ = 0;
    wire::JobReady told_;
};

}  // namespace fard
