// The runs that this node manager coordinates. Any node manager can; a submission's first taker does.
//
// Routed to it: SUBMIT, FINISH, CANCEL, CLIENT_ALIVE from the front door; GRANT, WOUNDED, JOB_LOST (and a
// relayed CANCEL) from the mesh; members lost. Lives on the node
// manager's loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "runtime/node_manager/directory.hpp"
#include "runtime/node_manager/run.hpp"
#include "runtime/peer/courier.hpp"
#include "runtime/peer/messages_board.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

class Coordinator {
  public:
    explicit Coordinator(RunSurroundings surroundings);
    ~Coordinator();  // abandons its runs: their leases run out, their clients go on elsewhere

    // Answered by ADMITTED, or REFUSED with the reason. The same run and attempt again is the same
    // submission; a higher attempt replaces the one that this node manager still holds; a lower one is
    // refused.
    void submit(const PeerId& client, const wire::Submit& submit, Reply reply);

    // The client has every result: answered by the final RUN_STATE once the jobs are reaped and the boards
    // free.
    void finish(const wire::Finish& finish, Reply reply);

    // Answered by DONE when the run has ended, REFUSED(not_found) if no board knows it. Passed on to the
    // other boards once if this one does not coordinate it.
    void cancel(const wire::Cancel& cancel, Reply reply);

    void client_alive(const PeerId& client, const wire::ClientAlive& alive);

    wire::Body grant(const PeerId& board, const wire::Grant& grant);
    wire::Body wounded(const PeerId& board, const wire::Wounded& wounded);
    wire::Body job_lost(const PeerId& board, const wire::JobLost& lost);

    void board_lost(const PeerId& board, const std::string& why);
    // This node manager ends in order: its clients are told `why`, and go on elsewhere at once.
    void say_farewell(const std::string& why);
    void clients_revoked(const std::vector<PublicKey>& keys);  // ends their runs

    // The runs that are under way, then the last ones that ended (kept for 60 s, at most 100).
    std::vector<wire::RunState> states() const;
    std::size_t active() const;

  private:
    struct Ended {
        wire::RunState state;
        std::uint32_t attempt = 0;
        TimePoint at;
    };
    void ended(const RunId& run);
    void relay(const wire::Cancel& cancel, Reply reply);
    void forget_old();

    RunSurroundings surroundings_;
    std::map<RunId, std::unique_ptr<Run>> runs_;
    std::vector<Ended> ended_;  // oldest first
};

}  // namespace fard
