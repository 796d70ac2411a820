#include "runtime/node_manager/run_plan.hpp"

#include <algorithm>
#include <set>

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

Result<> RunPlan::check(const wire::Submit& submit) {
    const auto& app = submit.app;
    if (submit.run.empty() || app.positions.empty())
        return fail(Fault::invalid_input, "a submission needs a run id and at least one position");
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
    return {};
}

RunPlan::RunPlan(wire::Submit submit, const Directory& directory, const HasPackage& has_package)
    : submit_(std::move(submit)), directory_(directory), has_package_(has_package) {}

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
    return placement ? Result<>() : fail(placement.error());
}

Result<> RunPlan::place() {
    const auto boards = directory_.boards();
    auto placement = place_jobs(app(), boards, boards.front().member.peer, misgivings_);
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
    return spec;
}

wire::Spawn RunPlan::spawn_on(const PeerId& board, Epoch epoch) const {
    wire::Spawn spawn{submit_.run, epoch, app().name, app().chunk_timeout_ms, app().link_bytes, {}, {}};
    std::set<Address> sources;
    for (const auto& job : jobs()) {
        if (job.board != board) continue;
        spawn.jobs.push_back(job_spec(job));
        for (const auto& door : package_ways(board, spawn.jobs.back().spec.overlay))
            if (sources.insert(door).second) spawn.sources.push_back(door);
    }
    return spawn;
}

}  // namespace fard
