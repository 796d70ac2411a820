// Seats of a schedule, found among the boards that are there.
#include <algorithm>

#include "runtime/node_manager/placement.hpp"

namespace fard {
namespace {

struct Found {
    const BoardView* board = nullptr;
    const wire::DeviceState* device = nullptr;
    std::uint32_t slot = 0;  // of the device
};

Result<const BoardView*> find_board(const std::string& name, const std::vector<BoardView>& boards, const Misgivings& misgivings) {
    const auto is = [&](const BoardView& view) { return view.member.name == name; };
    const auto found = std::ranges::find_if(boards, is);
    if (found == boards.end()) return fail(Fault::refused, "there is no board '{}', which the schedule names", name);
    if (std::ranges::count_if(boards, is) > 1) return fail(Fault::refused, "the schedule names board '{}', and there are several", name);
    if (misgivings.boards.contains(found->member.peer)) return fail(Fault::refused, "board '{}' of the schedule has failed before", name);
    return &*found;
}

Result<Found> find_slot(const planner::Seat& seat, const planner::Schedule& schedule, const std::vector<BoardView>& boards,
                        const Misgivings& misgivings) {
    const auto board = find_board(schedule.boards[seat.board], boards, misgivings);
    if (!board) return fail(board.error());
    auto slot = static_cast<std::uint32_t>(seat.slot);
    for (const auto& device : (*board)->state.devices) {
        if (!device.healthy || device.loaded.empty()) continue;
        if (slot < device.slots) return Found{*board, &device, slot};
        slot -= device.slots;
    }
    return fail(Fault::refused, "board '{}' has no slot {} of a healthy FPGA, which the schedule wants", (*board)->member.name, seat.slot);
}

Result<> takes(const Found& found, const wire::PositionSpec& position) {
    const auto& programs = found.board->state.programs;
    const auto& labels = found.board->state.labels;
    if (!position.program.empty() && std::ranges::find(programs, position.program) == programs.end())
        return fail(Fault::refused, "board '{}' of the schedule has no job program '{}'", found.board->member.name, position.program);
    const bool wanted = position.device.empty() || position.device == any_fabric || position.device == any_device ||
                        position.device == found.device->kind;
    if (!wanted) return fail(Fault::refused, "position '{}' wants a device of kind '{}'", position.name, position.device);
    if (!position.board.empty() && position.board != found.board->member.name && std::ranges::find(labels, position.board) == labels.end())
        return fail(Fault::refused, "position '{}' is to be on board '{}', and the schedule has it on '{}'", position.name, position.board,
                    found.board->member.name);
    return {};
}

bool any_apart(const Placement& placement, const Misgivings& misgivings) {
    for (const auto& one : placement.jobs)
        for (const auto& other : placement.jobs)
            if (other.position == one.position + 1 && misgivings.are_apart(one.board, other.board)) return true;
    return false;
}

}  // namespace

Result<Placement> place_by_schedule(const planner::Schedule& schedule, const wire::AppSpec& app, const std::vector<BoardView>& boards,
                                    const Misgivings& misgivings) {
    Placement placement;
    for (std::uint32_t p = 0; p < app.positions.size(); ++p) {
        const auto& placed = schedule.positions[p];
        placement.rooms.push_back(placed.room);
        for (std::uint32_t job = 0; job < app.positions[p].jobs(); ++job) {
            const auto& seat = placed.seats[job];
            const auto found = find_slot(seat, schedule, boards, misgivings);
            if (!found) return fail(found.error());
            if (auto taken = takes(*found, app.positions[p]); !taken) return fail(taken.error());
            if (misgivings.is_unfit(app.positions[p].overlay_of(job), *found->device))
                return fail(Fault::refused, "board '{}' of the schedule does not take position '{}'", found->board->member.name, app.positions[p].name);
            const auto* turns = schedule.turns_on(seat);
            const auto& board = found->board->member.peer;
            placement.jobs.push_back({p, job, board, found->device->id, turns ? found->slot + 1 : 0});
            if (turns) placement.orders[{board, found->device->id, found->slot + 1}].assign(turns->order.begin(), turns->order.end());
        }
    }
    if (any_apart(placement, misgivings)) return fail(Fault::refused, "no chunk came through between two boards of the schedule");
    return placement;
}

}  // namespace fard
