// The coordinator's side of the reservation of one run: asks every board for slots, makes them firm once all
// boards have granted, and renews them each second until released.
//
//   idle -> reserving -> committing -> firm
//             ^   ^          |          |
//             |   +----------+          |    wounded, or a COMMIT refused: next round, all boards tentative
//             again
//             +-------------------------+    reserve() with a higher epoch
//   over: from any of them, when this process could not renew for 3 s
//
// Two round trips when nobody waits: RESERVE to all boards, COMMIT to all boards. COMMITs go out only while
// every board's latest word is that it has granted, so a run that waits anywhere holds only what an older run
// may take.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/courier.hpp"
#include "runtime/peer/message_parts.hpp"
#include "runtime/peer/messages_board.hpp"

namespace fard {

// Lives on one loop; the loop and the courier outlive it. Destroying it ends its timers and events and sends
// nothing: what it holds runs out after 3 s.
class Reserver {
  public:
    // Called on the loop, never from within reserve(), forget() or release(). Each may call back into the
    // Reserver or destroy it. None comes after release() or the destructor.
    struct Events {
        std::function<void()> reserved;  // every board has committed: firm everywhere
        // This board is out of the reservation: it refused for good, it ended or did not acknowledge the
        // lease for 3 s, or it cannot be reached. Once per board and reserve(). The others are kept (and
        // renewed); `reserved` will not come until reserve() is called with a higher epoch.
        std::function<void(const PeerId& board, const Error& why)> lost;
        // By its own clock this process could not renew for 3 s: others may hold the slots by now. The
        // attempt must end; nothing is renewed or committed any more. release() may still be called.
        std::function<void(const Error& why)> overslept;
        std::function<void(const std::string& why)> waiting;  // queued, for people; when this changes
        // How far the jobs of this epoch are on a board, each second. May be left out.
        std::function<void(const PeerId& board, const std::vector<wire::JobProgress>& jobs)> progress = nullptr;
    };

    Reserver(Loop& loop, Courier& courier, RunId run, std::uint64_t ticket, Events events);
    ~Reserver();
    Reserver(const Reserver&) = delete;
    Reserver& operator=(const Reserver&) = delete;

    // Asks for these slots, in place of what an earlier call asked for: all jobs of lower epochs are ended by
    // the boards. Boards that are no longer wanted get RELEASE. Each call needs a higher epoch than the one
    // before.
    void reserve(Epoch epoch, std::map<PeerId, std::vector<wire::SlotRequest>> wanted);

    // Requests of boards. Answered by DONE, or REFUSED when they are about an epoch that is over.
    wire::Body on_grant(const PeerId& from, const wire::Grant& grant);
    wire::Body on_wounded(const PeerId& from, const wire::Wounded& wounded);

    // The membership says that the board is gone: it is asked nothing more, and is out of the reservation
    // without a `lost`. A later reserve() may name it again.
    void forget(const PeerId& board);

    // Ends everything: RELEASE to every board that may hold something. `done` is called once, on the loop,
    // when all of them have answered (jobs reaped, slots free) or after 5 s.
    void release(std::function<void()> done);

    bool firm() const;                       // between `reserved` and the next loss or reserve()
    std::vector<PeerId> waiting_on() const;  // boards that have not granted (or not answered) yet

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace fard
