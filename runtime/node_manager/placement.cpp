#include "runtime/node_manager/placement.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
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
    std::vector<int> sharers = {};  // where jobs share slots: how many have each of those that this run takes
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

bool has_program(const BoardView& board, const std::string& program) {
    return program.empty() || program.find('/') != std::string::npos ||
           std::ranges::find(board.state.programs, program) != board.state.programs.end();
}

// A device that an overlay stays in: an FPGA, emulated or not.
bool is_fabric(const wire::DeviceState& device) {
    return !device.loaded.empty();
}

bool has_loaded(const Seat& seat, const std::string& overlay) {
    return !overlay.empty() && std::ranges::any_of(seat.device->loaded, [&](const wire::SlotState& slot) {
        return slot.state == 2 && slot.overlay == overlay;
    });
}

// Whether the seat's device is what a position asks for. Where there are fabrics an overlay goes into one; into a CPU only
// if it is told so.
bool is_wanted(const Seat& seat, const wire::PositionSpec& spec, bool fabrics) {
    if (spec.device == any_device || spec.device.empty())
        return spec.device == any_device || spec.overlay_of(0).empty() || !fabrics || is_fabric(*seat.device);
    return spec.device == seat.device->kind || (spec.device == any_fabric && is_fabric(*seat.device));
}

bool could_fit(const Seat& seat, const wire::PositionSpec& spec, bool fabrics) {
    return is_wanted(seat, spec, fabrics) && has_program(*seat.board, spec.program) && may_be_on(*seat.board, spec.board);
}

// Whether an overlay of another position would have to go.
bool would_displace(const Seat& seat, const std::string& overlay, const std::set<std::string>& needed) {
    return !seat.device->loaded.empty() && std::ranges::all_of(seat.device->loaded, [&](const wire::SlotState& slot) {
        return slot.state == 2 && slot.overlay != overlay && needed.contains(slot.overlay);
    });
}

// Lower is better; the order of the criteria is the header's.
auto rank(const Seat& seat, const std::string& overlay, const std::set<std::string>& needed, bool wants_near,
          const PeerId& near) {
    return std::tuple{seat.avoided,
                      seat.free <= 0,
                      is_fabric(*seat.device) == overlay.empty(),
                      !has_loaded(seat, overlay),
                      would_displace(seat, overlay, needed),
                      seat.jobs_on_board,
                      !holds(*seat.board, overlay),
                      wants_near && seat.board->member.peer != near,
                      seat.board_order};
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

// Why none of the boards that a position asks for can take it, however many slots they have.
std::optional<Error> unfit_there(const wire::PositionSpec& spec, const std::vector<Seat>& seats, bool fabrics) {
    bool program = false, kind = false;
    for (const auto& seat : seats) {
        if (!may_be_on(*seat.board, spec.board)) continue;
        program = program || has_program(*seat.board, spec.program);
        kind = kind || is_wanted(seat, spec, fabrics);
    }
    if (!program)
        return Error{Fault::not_found, fmt::format("position '{}' is to be on board '{}', which has no job program '{}'; put it "
                                                   "into a directory of its jobs_dirs, and start its node manager again",
                                                   spec.name, spec.board, spec.program)};
    if (!kind)
        return Error{Fault::refused, fmt::format("position '{}' is to be on board '{}', which has no device of kind '{}'",
                                                 spec.name, spec.board, spec.device)};
    return std::nullopt;
}

// Devices that are not placed on, and why.
std::string left_out(const std::vector<BoardView>& boards) {
    std::string text;
    for (const auto& board : boards)
        for (const auto& device : board.state.devices)
            if (!device.healthy) text += fmt::format("; {} of {} is {}", device.id, board.member.name, device.detail);
    return text;
}

Error too_few(const wire::AppSpec& app, const wire::PositionSpec& spec, const std::vector<Seat>& seats,
              const std::vector<BoardView>& boards, bool fabrics) {
    if (!spec.board.empty()) {
        const bool there = std::ranges::any_of(seats, [&](const Seat& seat) { return may_be_on(*seat.board, spec.board); });
        if (!there)
            return {Fault::refused, fmt::format("position '{}' is to be on board '{}', and no board has that name or label; "
                                                "there are {}",
                                                spec.name, spec.board, names_in(seats))};
        if (const auto why = unfit_there(spec, seats, fabrics)) return *why;
        return {Fault::refused, fmt::format("position '{}' is to be on board '{}', which has no slot left for it; give it more "
                                            "slots, or let the position go elsewhere",
                                            spec.name, spec.board)};
    }
    std::size_t needed = 0, there = 0;
    for (const auto& position : app.positions)
        if (position.device == spec.device) needed += position.jobs();
    std::set<std::size_t> with_slots;
    for (const auto& seat : seats)
        if (could_fit(seat, spec, fabrics)) {
            there += seat.device->slots;
            with_slots.insert(seat.board_order);
        }
    if (!spec.device.empty() && with_slots.empty()) {
        std::set<std::string> kinds;
        for (const auto& seat : seats)
            kinds.insert("'" + seat.device->kind + "'");
        return {Fault::refused, fmt::format("position '{}' needs a device of kind '{}', and no board of the cluster has one; "
                                            "there are {}",
                                            spec.name, spec.device, fmt::join(kinds, ", "))};
    }
    const auto having = std::ranges::count_if(
        boards, [&](const BoardView& board) { return has_program(board, spec.program); });
    if (having == 0)
        return {Fault::not_found,
                fmt::format("position '{}' of app '{}' needs the job program '{}', which none of the {} board(s) has; "
                            "put it into a directory of their jobs_dirs",
                            spec.name, app.name, spec.program, boards.size())};
    const bool fabric = spec.device.empty() && fabrics && !spec.overlay_of(0).empty();
    const std::string kind = fabric ? "FPGA" : spec.device.empty() ? "device" : "'" + spec.device + "' device";
    const auto without = static_cast<std::ptrdiff_t>(boards.size()) - having;
    return {Fault::refused,
            fmt::format("app '{}' needs {} {} slots at once, the cluster has {} on {} board(s){}: no place for "
                        "position '{}'; start more node managers, give them more slots, or use fewer positions or "
                        "replicas or parts{}{}",
                        app.name, needed, kind, there, with_slots.size(),
                        without > 0 ? fmt::format(" that have its program '{}'", spec.program) : "", spec.name,
                        fabric ? "; an overlay goes into a CPU, too, where its position says device = \"any\"" : "",
                        left_out(boards))};
}

// The places of one run, found job by job. Devices that keep boards apart make it a search: what fits best for one job
// may leave nothing for its neighbour.
class Search {
  public:
    Search(const wire::AppSpec& app, const std::vector<BoardView>& boards, const PeerId& near,
           const Misgivings& misgivings)
        : app_(app), boards_(boards), near_(near), misgivings_(misgivings), seats_(seats_of(boards, misgivings.boards)) {
        for (const auto& board : boards)
            fabrics_ = fabrics_ || std::ranges::any_of(board.state.devices, is_fabric);
        for (const auto& position : app.positions)
            for (std::uint32_t job = 0; job < position.jobs(); ++job)
                needed_.insert(position.overlay_of(job));
        // Positions that ask for a board choose first, then those that ask for a kind, then those that take any.
        for (const int choosers : {0, 1, 2})
            for (std::uint32_t p = 0; p < app.positions.size(); ++p) {
                const auto& position = app.positions[p];
                if ((!position.board.empty() ? 0 : !position.device.empty() ? 1 : 2) != choosers) continue;
                for (std::uint32_t r = 0; r < position.jobs(); ++r)
                    jobs_.emplace_back(p, r);
            }
    }

    Result<Placement> run() {
        const bool found = !misgivings_.apart.empty() && settle(0);
        if (!found)
            for (taken_.clear(), seats_ = seats_of(boards_, misgivings_.boards); taken_.size() < jobs_.size();) {
                const auto candidates = candidates_for(jobs_[taken_.size()]);
                if (candidates.empty()) return fail(too_few(app_, spec(jobs_[taken_.size()]), seats_, boards_, fabrics_));
                take(*candidates.front(), 1);
                taken_.push_back(candidates.front());
            }
        return placement({});
    }

    Result<Placement> run_in_turns() {
        std::vector<Job> sharing;
        for (const auto& job : jobs_)
            if (may_share(job)) sharing.push_back(job);
        std::erase_if(jobs_, [this](const Job& job) { return may_share(job); });
        for (const auto& job : jobs_) {
            const auto candidates = candidates_for(job);
            if (candidates.empty()) return fail(too_few(app_, spec(job), seats_, boards_, fabrics_));
            take(*candidates.front(), 1);
            taken_.push_back(candidates.front());
        }
        for (auto& seat : seats_)
            if (is_fabric(*seat.device)) seat.sharers.assign(static_cast<std::size_t>(std::max(seat.free > 0 ? seat.free : seat.left, 0)), 0);
        std::vector<std::uint32_t> numbers(jobs_.size(), 0);
        for (const auto& job : sharing) {
            auto* seat = shared_seat(job);
            if (!seat) return fail(too_few(app_, spec(job), seats_, boards_, fabrics_));
            const auto slot = std::ranges::min_element(seat->sharers);
            ++*slot;
            jobs_.push_back(job);
            taken_.push_back(seat);
            numbers.push_back(static_cast<std::uint32_t>(slot - seat->sharers.begin()) + 1);
        }
        if (sharing.empty()) return fail(Fault::refused, "no position of app '{}' may be on an FPGA", app_.name);
        // Who has a slot alone does not share it.
        for (std::size_t j = 0; j < jobs_.size(); ++j)
            if (numbers[j] > 0 && taken_[j]->sharers[numbers[j] - 1] == 1) numbers[j] = 0;
        return placement(numbers);
    }

  private:
    using Job = std::pair<std::uint32_t, std::uint32_t>;  // position, replica or part
    static constexpr int most_tries = 20'000;             // then boards that should be apart are taken

    const wire::PositionSpec& spec(const Job& job) const { return app_.positions[job.first]; }

    Placement placement(const std::vector<std::uint32_t>& shared) const {
        Placement placement;
        for (std::size_t j = 0; j < jobs_.size(); ++j)
            placement.jobs.push_back({jobs_[j].first, jobs_[j].second, taken_[j]->board->member.peer,
                                      taken_[j]->device->id, shared.empty() ? 0 : shared[j]});
        std::ranges::sort(placement.jobs, {}, [](const PlacedJob& job) {
            return std::pair{job.position, job.replica};
        });
        return placement;
    }

    // An overlay that some FPGA takes. A CPU computes beside others without turns.
    bool may_share(const Job& job) const {
        return !spec(job).overlay_of(job.second).empty() && std::ranges::any_of(seats_, [&](const Seat& seat) {
            return is_fabric(*seat.device) && could_fit(seat, spec(job), fabrics_);
        });
    }

    // Where the job and those that have been placed are the fewest at a slot.
    Seat* shared_seat(const Job& job) {
        const auto& overlay = spec(job).overlay_of(job.second);
        std::vector<Seat*> candidates;
        for (auto& seat : seats_)
            if (!seat.sharers.empty() && could_fit(seat, spec(job), fabrics_) && !misgivings_.is_unfit(overlay, *seat.device))
                candidates.push_back(&seat);
        std::ranges::stable_sort(candidates, {}, [&](const Seat* seat) {
            return std::tuple{seat->avoided, seat->free <= 0, *std::ranges::min_element(seat->sharers), !has_loaded(*seat, overlay),
                              !holds(*seat->board, overlay), job.first == 0 && seat->board->member.peer != near_, seat->board_order};
        });
        const auto apart = std::ranges::find_if(candidates, [&](const Seat* seat) { return !meets_apart(job, *seat); });
        if (apart != candidates.end()) return *apart;
        return candidates.empty() ? nullptr : candidates.front();
    }

    std::vector<Seat*> candidates_for(const Job& job) {
        std::vector<Seat*> candidates;
        for (auto& seat : seats_)
            if (seat.left > 0 && could_fit(seat, spec(job), fabrics_) &&
                !misgivings_.is_unfit(spec(job).overlay_of(job.second), *seat.device))
                candidates.push_back(&seat);
        std::ranges::stable_sort(candidates, {}, [&](const Seat* seat) {
            return rank(*seat, spec(job).overlay_of(job.second), needed_, job.first == 0, near_);
        });
        return candidates;
    }

    // Places this job and those after it such that no two neighbours are to be kept apart.
    bool settle(std::size_t at) {
        if (at == jobs_.size()) return true;
        for (auto* seat : candidates_for(jobs_[at])) {
            if (++tries_ > most_tries) return false;
            if (meets_apart(jobs_[at], *seat)) continue;
            take(*seat, 1);
            taken_.push_back(seat);
            if (settle(at + 1)) return true;
            taken_.pop_back();
            take(*seat, -1);
        }
        return false;
    }

    bool meets_apart(const Job& job, const Seat& seat) const {
        const auto& board = seat.board->member.peer;
        const bool at_an_end = job.first == 0 || job.first + 1 == app_.positions.size();
        if (at_an_end && misgivings_.are_apart(board, near_)) return true;
        for (std::size_t j = 0; j < taken_.size(); ++j) {
            const auto p = jobs_[j].first;
            if ((p + 1 == job.first || p == job.first + 1) &&
                misgivings_.are_apart(board, taken_[j]->board->member.peer))
                return true;
        }
        return false;
    }

    void take(Seat& seat, int jobs) {
        seat.left -= jobs;
        seat.free -= jobs;
        for (auto& other : seats_)
            if (other.board == seat.board) other.jobs_on_board += jobs;
    }

    const wire::AppSpec& app_;
    const std::vector<BoardView>& boards_;
    const PeerId& near_;
    const Misgivings& misgivings_;
    std::vector<Seat> seats_;
    bool fabrics_ = false;           // the cluster has some
    std::set<std::string> needed_;   // overlays of this app
    std::vector<Job> jobs_;     // in the order in which they choose
    std::vector<Seat*> taken_;  // by the first of them
    int tries_ = 0;
};

}  // namespace

std::map<PeerId, std::vector<wire::SlotRequest>> Placement::by_board() const {
    std::map<PeerId, std::vector<wire::SlotRequest>> boards;
    std::set<SharedSlot> asked;
    for (const auto& job : jobs)
        if (job.shared == 0 || asked.emplace(job.board, job.device, job.shared).second)
            boards[job.board].push_back({job.position, job.replica, job.device});
    return boards;
}

std::size_t Placement::shared_slots() const {
    std::set<SharedSlot> slots;
    for (const auto& job : jobs)
        if (job.shared > 0) slots.emplace(job.board, job.device, job.shared);
    return slots.size();
}

bool Misgivings::is_unfit(const std::string& overlay, const wire::DeviceState& device) const {
    return std::ranges::any_of(unfit, [&](const Unfit& one) {
        return one.overlay == overlay && one.part == device.part && one.slots == device.slots;
    });
}

void Misgivings::keep_apart(const PeerId& one, const PeerId& other) {
    if (one != other) apart.insert(std::minmax(one, other));
}

bool Misgivings::are_apart(const PeerId& one, const PeerId& other) const {
    return apart.contains(std::minmax(one, other));
}

Result<Placement> place_jobs(const wire::AppSpec& app, const std::vector<BoardView>& boards,
                             const PeerId& near, const Misgivings& misgivings) {
    return Search(app, boards, near, misgivings).run();
}

Result<Placement> place_in_turns(const wire::AppSpec& app, const std::vector<BoardView>& boards, const PeerId& near,
                                 const Misgivings& misgivings) {
    return Search(app, boards, near, misgivings).run_in_turns();
}

}  // namespace fard
