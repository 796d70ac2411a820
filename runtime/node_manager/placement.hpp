// Which board and device each job of a run gets. Pure.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "base/result.hpp"
#include "runtime/node_manager/directory.hpp"

namespace fard {

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

// Places every job on a slot of a healthy device of the right kind. Per job, in this order: a board with a
// slot that is free now; a board that holds the overlay; the board with the fewest jobs of this run; `near`
// (for position 0); the boards' order. Busy slots are used when the free ones do not suffice: the run then
// queues there. Boards in `avoid` are used only if it does not work without them. Errors: refused, saying how
// many slots of which kind are there and how many the run needs.
Result<Placement> place_jobs(const wire::AppSpec& app, const std::vector<BoardView>& boards,
                             const PeerId& near, const std::set<PeerId>& avoid);

}  // namespace fard
