#include "runtime/node_manager/placement.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <tuple>

namespace fard {
namespace {

// One device as placement fills it.
struct Seat {
    const BoardView* board;
    const wire::DeviceState* device;
    std::size_t board_order;
    int free;  // slots that nobody holds now
    int left;  // slots that this run has not taken yet
    bool avoided;
    int jobs_on_board = 0;  // of this run, on all devices of the board
};

std::vector<Seat> seats_of(const std::vector<BoardView>& boards, const std::set<PeerId>& avoid) {
    std::vector<Seat> seats;
    for (std::size_t b = 0; b < boards.size(); ++b) {
        const auto& state = boards[b].state;
        for (std::size_t d = 0; d < state.devices.size(); ++d) {
            const auto& device = state.devices[d];
            if (!device.healthy || device.slots == 0) continue;
            const int free = d < state.slots_free.size() ? static_cast<int>(state.slots_free[d]) : 0;
            seats.push_back({&boards[b], &device, b, free, static_cast<int>(device.slots),
                             avoid.contains(boards[b].member.peer)});
        }
    }
    return seats;
}

bool holds(const BoardView& board, const std::string& overlay) {
    return !overlay.empty() && std::ranges::find(board.state.overlays, overlay) != board.state.overlays.end();
}

// Whether the board has the name or the label that a position asks for.
bool may_be_on(const BoardView& board, const std::string& wanted) {
    return wanted.empty() || board.member.name == wanted ||
           std::ranges::find(board.state.labels, wanted) != board.state.labels.end();
}

bool fits(const Seat& seat, const wire::PositionSpec& spec) {
    return seat.left > 0 && (spec.device.empty() || spec.device == seat.device->kind) && may_be_on(*seat.board, spec.board);
}

// Lower is better; the order of the criteria is the header's.
auto rank(const Seat& seat, const wire::PositionSpec& spec, bool wants_near, const PeerId& near) {
    return std::tuple{seat.avoided,
                      seat.free <= 0,
                      seat.jobs_on_board,
                      !holds(*seat.board, spec.overlay),
                      wants_near && seat.board->member.peer != near,
                      seat.board_order};
}

void take(std::vector<Seat>& seats, Seat& seat) {
    --seat.left;
    --seat.free;
    for (auto& other : seats)
        if (other.board == seat.board) ++other.jobs_on_board;
}

// What boards can be asked for.
std::string names_in(const std::vector<Seat>& seats) {
    std::set<std::string> names;
    for (const auto& seat : seats) {
        names.insert("'" + seat.board->member.name + "'");
        for (const auto& label : seat.board->state.labels)
            names.insert("'" + label + "'");
    }
    return fmt::format("{}", fmt::join(names, ", "));
}

Error too_few(const wire::AppSpec& app, const wire::PositionSpec& spec, const std::vector<Seat>& seats) {
    if (!spec.board.empty()) {
        const bool there = std::ranges::any_of(seats, [&](const Seat& seat) { return may_be_on(*seat.board, spec.board); });
        if (!there)
            return {Fault::refused, fmt::format("position '{}' is to be on board '{}', and no board has that name or label; "
                                                "there are {}",
                                                spec.name, spec.board, names_in(seats))};
        return {Fault::refused, fmt::format("position '{}' is to be on board '{}', which has no slot left for it; give it more "
                                            "slots, or let the position go elsewhere",
                                            spec.name, spec.board)};
    }
    std::size_t needed = 0, there = 0;
    for (const auto& position : app.positions)
        if (position.device == spec.device) needed += position.replicas;
    std::set<std::size_t> boards;
    for (const auto& seat : seats)
        if (spec.device.empty() || spec.device == seat.device->kind) {
            there += seat.device->slots;
            boards.insert(seat.board_order);
        }
    if (!spec.device.empty() && boards.empty()) {
        std::set<std::string> kinds;
        for (const auto& seat : seats)
            kinds.insert("'" + seat.device->kind + "'");
        return {Fault::refused, fmt::format("position '{}' needs a device of kind '{}', and no board of the cluster has one; "
                                            "there are {}",
                                            spec.name, spec.device, fmt::join(kinds, ", "))};
    }
    const std::string kind = spec.device.empty() ? "device" : "'" + spec.device + "' device";
    return {
        Fault::refused,
        fmt::format(
            "app '{}' needs {} {} slots at once, the cluster has {} on {} board(s): no place for position "
            "'{}'; start more node managers, give them more slots, or use fewer positions or replicas",
            app.name, needed, kind, there, boards.size(), spec.name)};
}

}  // namespace

std::map<PeerId, std::vector<wire::SlotRequest>> Placement::by_board() const {
    std::map<PeerId, std::vector<wire::SlotRequest>> boards;
    for (const auto& job : jobs)
        boards[job.board].push_back({job.position, job.replica, job.device});
    return boards;
}

Result<Placement> place_jobs(const wire::AppSpec& app, const std::vector<BoardView>& boards,
                             const PeerId& near, const std::set<PeerId>& avoid) {
    auto seats = seats_of(boards, avoid);
    Placement placement;
    // Positions that ask for a board choose first, then those that ask for a kind, then those that take any.
    for (const int choosers : {0, 1, 2}) {
        for (std::uint32_t p = 0; p < app.positions.size(); ++p) {
            const auto& spec = app.positions[p];
            if ((!spec.board.empty() ? 0 : !spec.device.empty() ? 1 : 2) != choosers) continue;
            for (std::uint32_t r = 0; r < spec.replicas; ++r) {
                Seat* best = nullptr;
                for (auto& seat : seats)
                    if (fits(seat, spec) &&
                        (!best || rank(seat, spec, p == 0, near) < rank(*best, spec, p == 0, near)))
                        best = &seat;
                if (!best) return fail(too_few(app, spec, seats));
                take(seats, *best);
                placement.jobs.push_back({p, r, best->board->member.peer, best->device->id});
            }
        }
    }
    std::ranges::sort(placement.jobs, {}, [](const PlacedJob& job) {
        return std::pair{job.position, job.replica};
    });
    return placement;
}

}  // namespace fard
