#include "runtime/node_manager/run_plan.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "base/printable.hpp"
#include "runtime/peer/channel_join.hpp"

namespace fard {
namespace {

using Boards = std::vector<BoardView>;

Boards::const_iterator find(const Boards& boards, const PeerId& peer) {
    return std::ranges::find(boards, peer, [](const auto& view) { return view.member.peer; });
}

constexpr std::size_t most_parts = 8;

Result<> check_parts(const wire::PositionSpec& position) {
    if (position.parts.empty()) return {};
    if (position.replicas != 1)
        return fail(Fault::invalid_input, "position '{}' has replicas and parts; a position has one or the other", position.name);
    if (position.parts.size() > most_parts || position.parts.size() < 2)
        return fail(Fault::invalid_input, "position '{}' has {} parts; 2 to {} are possible", position.name, position.parts.size(),
                    most_parts);
    const auto join = ChannelJoin::make(position.parts, position.outputs);
    if (!join) return fail_in(fmt::format("position '{}'", position.name), join.error());
    return {};
}

}  // namespace

namespace {

Result<> check_schedule(const wire::AppSpec& app) {
    if (app.schedule.empty()) return {};
    const auto schedule = planner::parse_schedule(app.schedule);
    if (!schedule) return fail(schedule.error());
    if (schedule->positions.size() != app.positions.size())
        return fail(Fault::invalid_input, "the schedule is for {} positions, app '{}' has {}", schedule->positions.size(), app.name,
                    app.positions.size());
    for (std::size_t p = 0; p < app.positions.size(); ++p)
        if (schedule->positions[p].seats.size() != app.positions[p].jobs())
            return fail(Fault::invalid_input, "the schedule has {} seats for position '{}', which has {} jobs",
                        schedule->positions[p].seats.size(), app.positions[p].name, app.positions[p].jobs());
    for (std::size_t p = 0; p < app.positions.size(); ++p)
        if (app.positions[p].parts.empty())
            if (auto replicas = planner::check_replicas(*schedule, p); !replicas) return replicas;
    return {};
}

}  // namespace

Result<> RunPlan::check(const wire::Submit& submit) {
    const auto& app = submit.app;
    if (submit.run.empty() || app.positions.empty())
        return fail(Fault::invalid_input, "a submission needs a run id and at least one position");
    const bool shown = is_printable(app.name) && is_printable(submit.owner) &&
                       std::ranges::all_of(app.positions, [](const auto& position) { return is_printable(position.name); });
    if (!shown) return fail(Fault::invalid_input, "the names of an app, its positions and its owner hold no control characters");
    for (const auto& position : app.positions) {
        if (position.replicas == 0 || position.replicas > 64)
            return fail(Fault::invalid_input, "position '{}' has {} replicas; 1 to 64 are possible",
                        position.name, position.replicas);
        if (auto parts = check_parts(position); !parts) return parts;
        if (position.inputs.empty() || position.outputs.empty())
            return fail(Fault::invalid_input, "position '{}' names no tensors", position.name);
    }
    for (std::size_t p = 0; p + 1 < app.positions.size(); ++p)
        if (wire_bytes(app.positions[p].outputs) != wire_bytes(app.positions[p + 1].inputs))
            return fail(Fault::invalid_input, "position '{}' sends {} bytes a chunk, position '{}' takes {}",
                        app.positions[p].name, wire_bytes(app.positions[p].outputs),
                        app.positions[p + 1].name, wire_bytes(app.positions[p + 1].inputs));
    return check_schedule(app);
}

RunPlan::RunPlan(wire::Submit submit, const Directory& directory, const HasPackage& has_package)
    : submit_(std::move(submit)), directory_(directory), has_package_(has_package) {
    if (app().schedule.empty()) return;
    if (auto schedule = planner::parse_schedule(app().schedule)) schedule_ = std::move(*schedule);
}

std::uint64_t RunPlan::chunk_bytes() const {
    return std::max(wire_bytes(app().positions.front().inputs), wire_bytes(app().positions.back().outputs));
}

std::uint64_t RunPlan::memory() const {
    const auto links = std::uint64_t{app().positions.front().jobs()} + app().positions.back().jobs();
    return std::max(app().window_bytes, chunk_bytes()) + links * (app().link_bytes / 2);
}

// ---- places

Result<> RunPlan::fits() const {
    const auto boards = directory_.boards();
    const auto placement = place_jobs(app(), boards, boards.front().member.peer, {});
    if (placement || place_in_turns(app(), boards, boards.front().member.peer, {})) return {};
    return fail(placement.error());
}

// As the schedule says; else a slot for each; else in turns.
Result<> RunPlan::place(bool turns) {
    why_not_scheduled_.clear();
    if (schedule_) {
        auto scheduled = place_by_schedule(*schedule_, app(), directory_.boards(), misgivings_);
        if (scheduled) {
            placement_ = std::move(*scheduled);
            return {};
        }
        why_not_scheduled_ = scheduled.error().message;
    }
    auto placement = place_all(turns || app().batch > 0);
    if (!placement) return fail(placement.error());
    placement_ = std::move(*placement);
    return {};
}

bool RunPlan::rule_out(std::uint32_t position, std::uint32_t replica, const std::string& why) {
    const auto job = std::ranges::find_if(
        jobs(), [&](const PlacedJob& one) { return one.position == position && one.replica == replica; });
    if (job == jobs().end()) return false;
    for (const auto& board : directory_.boards())
        for (const auto& device : board.state.devices)
            if (board.member.peer == job->board && device.id == job->device && !device.part.empty()) {
                misgivings_.unfit.push_back({app().positions[position].overlay_of(replica), device.part, device.slots,
                                             fmt::format("position {} ('{}') on board {}: {}", position,
                                                         app().positions[position].name, board_name(job->board), why)});
                return true;
            }
    return false;
}

std::string RunPlan::ruled_out() const {
    std::string text;
    for (const auto& one : misgivings_.unfit)
        text += (text.empty() ? "" : "; ") + one.why;
    return text;
}

Result<Placement> RunPlan::place_all(bool turns) const {
    const auto boards = directory_.boards();
    const auto& near = boards.front().member.peer;
    auto placement = place_jobs(app(), boards, near, misgivings_);
    if (placement || !turns) return placement;
    auto shared = place_in_turns(app(), with_own_slots_free(), near, misgivings_);
    return shared ? std::move(shared) : std::move(placement);
}

void RunPlan::forget_places() {
    if (!placement_.jobs.empty()) before_ = std::move(placement_);
    placement_ = {};
}

// The boards that the run had give their slots to it again first, although they still say that it has them.
std::vector<BoardView> RunPlan::with_own_slots_free() const {
    auto boards = directory_.boards();
    const auto own = before_.by_board();
    for (auto& board : boards) {
        const auto had = own.find(board.member.peer);
        if (had == own.end()) continue;
        auto& free = board.state.slots_free;
        free.resize(board.state.devices.size(), 0);
        for (const auto& slot : had->second)
            for (std::size_t d = 0; d < free.size(); ++d)
                if (const auto& device = board.state.devices[d]; device.id == slot.device) free[d] = std::min(free[d] + 1, device.slots);
    }
    return boards;
}

// ---- turns

std::uint64_t RunPlan::window() const {
    return std::max<std::uint64_t>(1, app().window_bytes / std::max<std::uint64_t>(1, chunk_bytes()));
}

// By itself as large as can be, with one for each replica in the window.
std::uint64_t RunPlan::batch() const {
    if (app().batch > 0) return std::min(app().batch, window());
    std::uint64_t replicas = 1;
    for (const auto& position : app().positions)
        replicas = std::max<std::uint64_t>(replicas, position.replicas);
    const auto most = submit_.chunks <= window() ? (submit_.chunks + replicas - 1) / replicas : window() / (replicas + 1);
    return std::max<std::uint64_t>(1, most);
}

std::optional<Spread> RunPlan::spread_into(std::uint32_t position, std::uint64_t first) const {
    const auto& spec = app().positions[position];
    if (placement_.shared_slots() == 0 || !spec.parts.empty() || spec.replicas < 2) return std::nullopt;
    return Spread{batch(), first};
}

bool RunPlan::takes_turns(std::uint32_t position) const {
    return std::ranges::any_of(jobs(), [&](const PlacedJob& job) { return job.position == position && job.shared > 0; });
}

std::vector<std::uint32_t> RunPlan::positions_on(const PeerId& board) const {
    std::set<std::uint32_t> positions;
    for (const auto& job : jobs())
        if (job.board == board) positions.insert(job.position);
    return {positions.begin(), positions.end()};
}

const PeerId* RunPlan::board_of(std::uint32_t position, std::uint32_t replica) const {
    for (const auto& job : jobs())
        if (job.position == position && job.replica == replica) return &job.board;
    return nullptr;
}

std::string RunPlan::places_text() const {
    std::string text;
    for (const auto& job : jobs())
        text += fmt::format("{}'{}' on {} ({})", text.empty() ? "" : ", ", app().positions[job.position].name,
                            board_name(job.board), job.device);
    return text;
}

std::string RunPlan::board_name(const PeerId& board) const {
    for (const auto& known : named_)
        if (known.peer == board) return known.name;
    for (const auto& known : directory_.boards())
        if (known.member.peer == board) return known.member.name;
    return board.hex.substr(0, 8);
}

// ---- packages

// Front doors of the boards that have the package, this one first.
std::vector<Address> RunPlan::package_sources(const std::string& package) const {
    std::vector<Address> doors;
    if (package.empty()) return doors;
    const auto boards = directory_.boards();
    for (std::size_t b = 0; b < boards.size(); ++b) {
        const auto& held = boards[b].state.overlays;
        if (b == 0 ? has_package_(package) : std::ranges::find(held, package) != held.end())
            doors.push_back(boards[b].member.door());
    }
    return doors;
}

std::vector<std::string> RunPlan::missing_packages() const {
    std::vector<std::string> missing;
    for (const auto& position : app().positions)
        for (std::uint32_t job = 0; job < position.jobs(); ++job) {
            const auto& overlay = position.overlay_of(job);
            if (!overlay.empty() && package_sources(overlay).empty() && std::ranges::find(missing, overlay) == missing.end())
                missing.push_back(overlay);
        }
    return missing;
}

Gathering::Wishes RunPlan::lacking_packages() const {
    Gathering::Wishes lacking;
    const auto boards = directory_.boards();
    for (const auto& job : jobs()) {
        const auto& package = app().positions[job.position].overlay_of(job.replica);
        const auto board = find(boards, job.board);
        if (package.empty() || board == boards.end()) continue;
        const bool has = board == boards.begin()
                             ? has_package_(package)
                             : std::ranges::find(board->state.overlays, package) != board->state.overlays.end();
        if (!has) lacking[job.board].insert(package);
    }
    return lacking;
}

std::vector<Address> RunPlan::package_ways(const PeerId& for_board, const std::string& package) const {
    if (package.empty()) return {};
    auto doors = package_sources(package);
    const auto boards = directory_.boards();
    const auto add = [&](const Address& door) {
        if (std::ranges::find(doors, door) == doors.end()) doors.push_back(door);
    };
    if (doors.empty()) add(boards.front().member.door());
    for (const auto& job : jobs()) {
        if (job.board == for_board || app().positions[job.position].overlay_of(job.replica) != package) continue;
        const auto board = find(boards, job.board);
        if (board != boards.end()) add(board->member.door());
    }
    return doors;
}

// ---- what boards are asked for

wire::JobSpec RunPlan::job_spec(const PlacedJob& job) const {
    const auto& positions = app().positions;
    wire::JobSpec spec;
    spec.position = job.position;
    spec.replica = job.replica;
    spec.positions = static_cast<std::uint32_t>(positions.size());
    spec.senders = job.position == 0 ? 1 : positions[job.position - 1].jobs();
    spec.receivers = job.position == last_position() ? 1 : positions[job.position + 1].jobs();
    spec.device = job.device;
    spec.spec = positions[job.position];
    if (const auto& parts = positions[job.position].parts; !parts.empty()) {
        spec.spec.overlay = parts[job.replica].overlay;
        spec.spec.outputs = parts[job.replica].outputs;
    }
    if (job.position > 0) spec.joins = positions[job.position - 1].parts;
    spec.to_each = job.position < last_position() && !positions[job.position + 1].parts.empty();
    spec.turns = job.shared > 0;
    // Room for the batch that is computed and the one that comes in meanwhile; the window lets no more be under way.
    if (takes_turns(job.position)) spec.room = std::min(2 * batch(), window());
    if (takes_turns(job.position) && !placement_.rooms.empty()) spec.room = std::clamp(placement_.rooms[job.position], batch(), window());
    if (spec.turns && job.position < last_position() && takes_turns(job.position + 1)) spec.reserves = batch();
    return spec;
}

namespace {

// Jobs in an order of positions: of several of one position each in turn.
std::vector<std::uint32_t> in_order(const std::vector<std::uint32_t>& positions, const std::vector<std::uint32_t>& jobs,
                                    const std::vector<wire::JobSpec>& specs) {
    std::vector<std::uint32_t> order;
    std::map<std::uint32_t, std::size_t> named;
    for (const auto position : positions) {
        std::vector<std::uint32_t> of_position;
        std::ranges::copy_if(jobs, std::back_inserter(of_position), [&](std::uint32_t job) { return specs[job].position == position; });
        if (!of_position.empty()) order.push_back(of_position[named[position]++ % of_position.size()]);
    }
    return order;
}

}  // namespace

wire::Spawn RunPlan::spawn_on(const PeerId& board, Epoch epoch, const Left& left) const {
    wire::Spawn spawn{submit_.run, epoch, app().name, app().chunk_timeout_ms, app().link_bytes, {}, {}};
    spawn.batch = batch();
    spawn.chunks = left.chunks;
    spawn.turn_wait_ms = app().turn_wait_ms;
    std::map<std::pair<std::string, std::uint32_t>, std::vector<std::uint32_t>> sharers;  // places in SPAWN, by slot
    std::set<Address> sources;
    for (const auto& job : jobs()) {
        if (job.board != board) continue;
        if (job.shared > 0) sharers[{job.device, job.shared}].push_back(static_cast<std::uint32_t>(spawn.jobs.size()));
        spawn.jobs.push_back(job_spec(job));
        if (job.position < last_position())
            if (const auto spread = spread_into(job.position + 1, left.first)) {
                spawn.jobs.back().spread = spread->chunks;
                spawn.jobs.back().spread_from = spread->first;
            }
        for (const auto& door : package_ways(board, spawn.jobs.back().spec.overlay))
            if (sources.insert(door).second) spawn.sources.push_back(door);
    }
    for (auto& [slot, jobs_there] : sharers) {
        const auto order = placement_.orders.find({board, slot.first, slot.second});
        spawn.turns.push_back({order == placement_.orders.end() ? std::move(jobs_there) : in_order(order->second, jobs_there, spawn.jobs)});
    }
    return spawn;
}

}  // namespace fard
