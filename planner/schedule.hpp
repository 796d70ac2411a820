// Who computes what when, as data: which slots hold a position, in what order positions take turns on a slot, how many chunks a
// turn has, and where chunks wait between two turns. The planner makes it, the simulation follows it. It knows boards by number
// and by name, and nothing of networks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace fard::planner {

struct Seat {
    std::size_t board = 0, slot = 0;
    friend bool operator==(const Seat&, const Seat&) = default;
};

// Where the chunks of a position lie before they are computed.
enum class Staging {
    next,  // on the position's own board, as soon as they are there
    here,  // on the board of the position before, until the position's turn is on
};

struct Placed {
    std::vector<Seat> seats;  // one for each replica or part
    std::size_t room = 1;     // chunks that may be on their way to a seat, wait or be computed there
    Staging staging = Staging::next;
    friend bool operator==(const Placed&, const Placed&) = default;
};

// Positions that share a slot: the order of their turns, again and again. A position may have several turns of a round. Where several
// of its parts are on the slot, its turns there are theirs in turn. A turn for which nothing is left is passed over.
struct Turns {
    Seat slot;
    std::vector<std::size_t> order;
    friend bool operator==(const Turns&, const Turns&) = default;
};

struct Schedule {
    std::size_t batch = 1;   // chunks of a turn; only the last one of a position may have fewer
    std::size_t window = 1;  // chunks without a delivered result, at most; at least a batch
    std::vector<std::string> boards;
    std::vector<Placed> positions;
    std::vector<Turns> turns;  // of slots with several positions, or turns, only
    friend bool operator==(const Schedule&, const Schedule&) = default;

    const Turns* turns_on(const Seat& slot) const;
};

// What every schedule must be: seats on boards that there are, positions of a shared slot in its order and no others, a batch
// that the window and every room hold. Errors: invalid_input.
Result<> check(const Schedule& schedule);

// Of a position with replicas: that no two of them share a slot, where the second would be of no use. Errors: invalid_input.
Result<> check_replicas(const Schedule& schedule, std::size_t position);

// Lines of words (docs/planner.md). `parse_schedule` takes what `text_of` writes, and checks it. Errors: invalid_input, with the line.
std::string text_of(const Schedule& schedule);
Result<Schedule> parse_schedule(std::string_view text);

}  // namespace fard::planner
