// Which board and device each job of a run gets. Pure.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/result.hpp"
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
    friend bool operator==(const PlacedJob&, const PlacedJob&) = default;
};

struct Placement {
    std::vector<PlacedJob> jobs;  // by position, then replica
    std::map<PeerId, std::vector<wire::SlotRequest>> by_board() const;
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

}  // namespace fard
