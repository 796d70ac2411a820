// The links of one wiring of a run: where its jobs wait for their senders, as the boards answered SPAWN, and from that
// what each is told by WIRE. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "runtime/node_manager/run_plan.hpp"

namespace fard {

class Wiring {
  public:
    explicit Wiring(const RunPlan& plan) : plan_(plan) {}  // outlives the wiring

    void begin() { bound_.clear(); }
    // What a board answered. Errors: failed, it is not what it was asked for.
    Result<> take(const PeerId& board, const wire::Body& answer);

    // Once all boards have answered. `sinks`: where the coordinator waits for each job of the last position; `ours`: its
    // key, empty without keys.
    wire::Wire for_board(const PeerId& board, Epoch epoch, const std::vector<wire::LinkEndpoint>& sinks,
                         const PublicKey& ours) const;
    // Where sender number `sender` of the position before reaches every job of `position`.
    std::vector<wire::LinkEndpoint> links_into(std::uint32_t position, std::uint32_t sender) const;
    std::vector<PublicKey> keys_of(std::uint32_t position) const;  // of its jobs, which send to the next one

  private:
    const RunPlan& plan_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, wire::JobBound> bound_;  // (position, replica)
};

}  // namespace fard
