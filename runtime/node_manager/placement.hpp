// Which board and device each job of a run gets. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "planner/schedule.hpp"
#include "runtime/node_manager/directory.hpp"

namespace fard {

// What a position may ask for besides a kind of device. Without a word, an overlay goes into an FPGA where the cluster has
// one, else into a CPU.
inline constexpr const char* any_fabric = "fabric";  // an FPGA of whatever kind, emulated or not
inline constexpr const char* any_device = "any";     // a CPU, too, where no FPGA has room

struct PlacedJob {
    std::uint32_t position = 0;
    std::uint32_t replica = 0;
    PeerId board;
    std::string device;  // its id on that board
    std::uint32_t shared = 0;  // 0: it has a slot to itself; else the number of one that it shares with all jobs of that number there
    friend bool operator==(const PlacedJob&, const PlacedJob&) = default;
};

// A slot that several jobs share: board, device, PlacedJob::shared.
using SharedSlot = std::tuple<PeerId, std::string, std::uint32_t>;

struct Placement {
    std::vector<PlacedJob> jobs;  // by position, then replica
    // Where it follows a schedule: the order of positions at each shared slot, and for how many chunks each position has room. Without
    // one the order is that of the positions.
    std::map<SharedSlot, std::vector<std::uint32_t>> orders = {};
    std::vector<std::uint64_t> rooms = {};
    std::map<PeerId, std::vector<wire::SlotRequest>> by_board() const;  // a shared slot is asked for once
    std::size_t shared_slots() const;
};

// What a run has met with so far. The first two are kept to if the boards that are there allow it.
struct Misgivings {
    std::set<PeerId> boards;                     // something failed there: the last ones to be taken
    std::set<std::pair<PeerId, PeerId>> apart;   // no chunk came through between these two, the lower id first
    // Overlays that devices of a kind refused, and why: they are never placed there.
    struct Unfit {
        std::string overlay, part;
        std::uint32_t slots = 0;
        std::string why;
    };
    std::vector<Unfit> unfit;
    bool is_unfit(const std::string& overlay, const wire::DeviceState& device) const;
    void keep_apart(const PeerId& one, const PeerId& other);
    bool are_apart(const PeerId& one, const PeerId& other) const;
};

// Places every job on a slot of a healthy device of the right kind, on a board that has its program. Per job, in this
// order: a board with a slot that is free now; an FPGA for an overlay, and none for a job without one; a device that has the
// overlay loaded; one that holds no overlay of another position; the board with the fewest jobs of this run; one that has the
// overlay stored (a package is fetched once, a processor that two stages share slows every chunk); `near` (for position 0),
// which is where chunks come from and results go; the boards' order. Busy slots are used
// when the free ones do not suffice: the run then queues there. Errors: refused, saying how many slots of which kind
// are there and how many the run needs; not_found, if no board has a program.
Result<Placement> place_jobs(const wire::AppSpec& app, const std::vector<BoardView>& boards,
                             const PeerId& near, const Misgivings& misgivings);

// The same for more jobs than there are slots: those that may be on an FPGA share the slots of all FPGAs as evenly as there is, in the
// order of their positions, so that neighbours are on different boards and work at the same time as far as they can. All
// others have slots of their own. Boards that should be apart are, where that does not matter. Errors: as place_jobs; refused, if no job
// may be on an FPGA.
Result<Placement> place_in_turns(const wire::AppSpec& app, const std::vector<BoardView>& boards, const PeerId& near,
                                 const Misgivings& misgivings);

// Where a schedule has them: boards by their names, slots counted over a board's FPGAs. Errors: refused, with what is not as the
// schedule takes it to be (a board that is not there, or has met with a failure; a slot that it does not have).
Result<Placement> place_by_schedule(const planner::Schedule& schedule, const wire::AppSpec& app, const std::vector<BoardView>& boards,
                                    const Misgivings& misgivings);

}  // namespace fard
