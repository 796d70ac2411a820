#include "cli/forecast.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>

#include "runtime/peer/link.hpp"

namespace fard::cli {
namespace {

using planner::Seat;

// A build of a position's packages for the FPGAs of one kind of board: the slowest of its parts.
struct Pace {
    double interval_s = 0, latency_s = 0;
    friend bool operator==(const Pace&, const Pace&) = default;
};

std::optional<Pace> pace_on(const PackedApp& packed, const wire::PositionSpec& position, const splitter::Board& board) {
    Pace pace;
    for (std::uint32_t job = 0; job < position.jobs(); ++job) {
        const auto builds = packed.hardware.find(position.overlay_of(job));
        if (builds == packed.hardware.end()) return std::nullopt;
        const auto build = std::ranges::find_if(builds->second, [&](const Hardware& one) { return same_part(one.part, board.part); });
        if (build == builds->second.end() || !(build->clock_mhz > 0) || build->interval_cycles <= 0) return std::nullopt;
        const auto interval_s = static_cast<double>(build->interval_cycles) / build->clock_mhz / 1e6;
        pace.interval_s = std::max(pace.interval_s, interval_s);
        pace.latency_s = std::max({pace.latency_s, interval_s, static_cast<double>(build->latency_cycles) / build->clock_mhz / 1e6});
    }
    return pace;
}

bool may_be_on(const wire::PositionSpec& position, const splitter::Board& board) {
    return position.board.empty() || position.board == board.name || position.board == board.profile;
}

// What a chunk is on a link, its header included.
std::uint64_t bytes_on_link(const wire::AppSpec& app, const std::vector<TensorDesc>& tensors) {
    LinkTerms terms;
    terms.run = {std::string(32, '0')};
    terms.tensors = tensors;
    terms.positions = static_cast<std::uint32_t>(app.positions.size());
    return terms.chunk_bytes();
}

// Positions as the simulation has them, and where each may sit.
struct Known {
    planner::Pipeline pipeline;
    std::vector<std::vector<Seat>> allowed;
};

Result<Known> known_of(const PackedApp& packed, const splitter::Cluster& cluster) {
    const auto& app = packed.spec;
    Known known{planner::places_of(cluster), {}};
    known.pipeline.bytes_out = bytes_on_link(app, packed.outputs());
    for (const auto& spec : app.positions) {
        if (spec.overlay_of(0).empty() || spec.device == "soft" || spec.device == "reference" || spec.device == "any")
            return fail(Fault::unsupported, "position '{}' may run on a CPU, of whose speed nothing is known", spec.name);
        std::optional<Pace> best;
        for (const auto& board : cluster.boards)
            if (const auto pace = pace_on(packed, spec, board); pace && may_be_on(spec, board))
                if (!best || pace->interval_s < best->interval_s) best = pace;
        if (!best) return fail(Fault::unsupported, "nothing is known of how fast position '{}' is on the FPGAs of these boards", spec.name);
        auto& seats = known.allowed.emplace_back();
        for (std::size_t i = 0; i < cluster.boards.size(); ++i)
            if (may_be_on(spec, cluster.boards[i]) && pace_on(packed, spec, cluster.boards[i]) == best)
                for (std::size_t slot = 0; slot < cluster.boards[i].slots; ++slot)
                    seats.push_back({i, slot});
        planner::Position position{.name = spec.name};
        position.interval_s = best->interval_s;
        position.latency_s = best->latency_s;
        position.bytes_in = bytes_on_link(app, spec.inputs);
        position.replicas = spec.replicas;
        for (const auto& part : spec.parts)
            position.parts.push_back(bytes_on_link(app, part.outputs));
        known.pipeline.positions.push_back(std::move(position));
    }
    return known;
}

std::size_t slots_in(const std::vector<std::vector<Seat>>& allowed) {
    std::set<std::pair<std::size_t, std::size_t>> slots;
    for (const auto& seats : allowed)
        for (const auto& seat : seats)
            slots.emplace(seat.board, seat.slot);
    return slots.size();
}

// A slot for each job, as placement chooses them: what is loaded stays, then the board with the fewest jobs.
Result<planner::Seating> seats_for(const wire::AppSpec& app, const Known& known, const planner::Run& run) {
    planner::Seating seating;
    std::set<std::pair<std::size_t, std::size_t>> taken;
    std::vector<std::size_t> jobs(known.pipeline.places.size());
    for (std::size_t p = 0; p < app.positions.size(); ++p) {
        auto& seats = seating.emplace_back();
        for (std::uint32_t job = 0; job < app.positions[p].jobs(); ++job) {
            const Seat* best = nullptr;
            const auto wanted = app.positions[p].parts.empty() ? planner::Held(p) : planner::Held(p, job);
            const auto rank = [&](const Seat& seat) {
                return std::tuple(run.held_by(seat) != wanted, run.held_by(seat).has_value(), jobs[seat.board], seat.board, seat.slot);
            };
            for (const auto& seat : known.allowed[p])
                if (!taken.contains({seat.board, seat.slot}) && (!best || rank(seat) < rank(*best))) best = &seat;
            if (!best) return fail(Fault::unsupported, "no slot is left for position '{}'", app.positions[p].name);
            taken.emplace(best->board, best->slot);
            ++jobs[best->board];
            seats.push_back(*best);
        }
    }
    return seating;
}

Result<planner::Arranged> arranged(const wire::AppSpec& app, const Known& known, const planner::Wish& wish) {
    std::size_t jobs = 0;
    for (const auto& position : app.positions)
        jobs += position.jobs();
    if (jobs <= slots_in(known.allowed)) {
        const auto seating = seats_for(app, known, wish.run);
        if (!seating) return fail(seating.error());
        return planner::arrange_seated(known.pipeline, *seating, wish);
    }
    auto found = planner::arrange(known.pipeline, known.allowed, wish, std::numeric_limits<double>::infinity());
    if (!found) return fail(found.error());
    if (!*found) return fail(Fault::refused, "no schedule of app '{}' was found for these boards", app.name);
    return std::move(**found);
}

Forecast forecast_of(Known known, planner::Arranged arranged) {
    Forecast made;
    made.pipeline = std::move(known.pipeline);
    made.schedule = std::move(arranged.schedule);
    made.simulated = std::move(arranged.simulated);
    made.bound_s = arranged.bound_s;
    made.limit = planner::limit_of(made.pipeline, made.simulated);
    made.energy_j = planner::energy_j(made.pipeline, made.simulated);
    return made;
}

// The schedule with the cluster's boards, by their numbers there.
Result<> renumber(planner::Schedule& schedule, const splitter::Cluster& cluster) {
    std::vector<std::size_t> numbers;
    for (const auto& name : schedule.boards) {
        const auto found = std::ranges::find(cluster.boards, name, &splitter::Board::name);
        if (found == cluster.boards.end()) return fail(Fault::unsupported, "there is no board '{}', which the schedule names", name);
        numbers.push_back(static_cast<std::size_t>(found - cluster.boards.begin()));
    }
    for (auto& placed : schedule.positions)
        for (auto& seat : placed.seats)
            seat.board = numbers[seat.board];
    for (auto& turns : schedule.turns)
        turns.slot.board = numbers[turns.slot.board];
    schedule.boards.clear();
    for (const auto& board : cluster.boards)
        schedule.boards.push_back(board.name);
    return {};
}

}  // namespace

Result<Forecast> forecast(const PackedApp& packed, const splitter::Cluster& cluster, const planner::Wish& wish) {
    auto known = known_of(packed, cluster);
    if (!known) return fail(known.error());
    auto best = arranged(packed.spec, *known, wish);
    if (!best) return fail(best.error());
    return forecast_of(std::move(*known), std::move(*best));
}

Result<Forecast> forecast_as(const PackedApp& packed, const splitter::Cluster& cluster, planner::Schedule schedule, const planner::Run& run) {
    auto known = known_of(packed, cluster);
    if (!known) return fail(known.error());
    if (auto numbered = renumber(schedule, cluster); !numbered) return fail(numbered.error());
    auto done = planner::simulate(known->pipeline, schedule, run);
    if (!done) return fail(done.error());
    planner::Seating seating;
    for (const auto& placed : schedule.positions)
        seating.push_back(placed.seats);
    const auto bound_s = planner::wall_bound_s(known->pipeline, seating, {schedule.batch, schedule.batch, false}, run);
    return forecast_of(std::move(*known), {std::move(schedule), std::move(*done), bound_s});
}

namespace {

// What the jobs of a position did: the boards that they were on, and the bytes that they sent.
struct Did {
    std::vector<std::pair<std::size_t, double>> bytes_by_board;
    bool parts = false;  // each of them gets all that is sent to the position
};

// Bytes from one place to another, as the simulation sends them: both ways are in use for as long as they take.
void carry(const planner::Pipeline& pipeline, std::size_t from, std::size_t to, double bytes, std::vector<double>& ways) {
    while (from != to) {
        const auto stop = pipeline.next_stop(from, to);
        ways[from] += bytes / pipeline.places[from].way.bytes_per_s;
        ways[stop] += bytes / pipeline.places[stop].way.bytes_per_s;
        from = stop;
    }
}

// From one position to the next one, or from or to the client. Replicas get an even share each.
void carry(const planner::Pipeline& pipeline, const Did& from, const Did& to, std::vector<double>& ways) {
    const auto share = to.parts ? 1 : 1 / static_cast<double>(to.bytes_by_board.size());
    for (const auto& [sender, bytes] : from.bytes_by_board)
        for (const auto& [receiver, unused] : to.bytes_by_board)
            carry(pipeline, sender, receiver, bytes * share, ways);
}

}  // namespace

std::optional<double> energy_of(const Forecast& forecast, const RunSummary& summary) {
    const auto& pipeline = forecast.pipeline;
    const auto client = pipeline.places.size() - 1;
    std::vector<double> compute_s(pipeline.places.size()), reloads(pipeline.places.size()), ways(pipeline.places.size());
    std::vector<Did> did(pipeline.positions.size() + 2);
    did.front().bytes_by_board = {{client, static_cast<double>(summary.chunks_out * pipeline.bytes_into(0))}};
    did.back().bytes_by_board = {{client, 0}};
    for (const auto& row : summary.stages) {
        const auto place = std::ranges::find(pipeline.places, row.board, &planner::Place::name);
        if (place == pipeline.places.end() || row.position >= pipeline.positions.size()) return std::nullopt;
        const auto number = static_cast<std::size_t>(place - pipeline.places.begin());
        compute_s[number] += static_cast<double>(row.stats.compute_ns) / 1e9;
        reloads[number] += static_cast<double>(row.stats.reloads);
        did[row.position + 1].parts = !pipeline.positions[row.position].parts.empty();
        did[row.position + 1].bytes_by_board.emplace_back(number, static_cast<double>(row.stats.bytes_out));
    }
    if (std::ranges::any_of(did, [](const Did& one) { return one.bytes_by_board.empty(); })) return std::nullopt;
    for (std::size_t i = 0; i + 1 < did.size(); ++i)
        carry(pipeline, did[i], did[i + 1], ways);
    double joules = 0;
    for (std::size_t i = 0; i < client; ++i) {
        const auto& place = pipeline.places[i];
        if (!place.power) return std::nullopt;
        joules += place.power->idle * summary.placed_wall_s + place.power->compute * compute_s[i] + place.power->network * ways[i] +
                  place.power->reload * reloads[i] * place.reload_s;
    }
    return joules;
}

namespace {

// Whose overlay it is, if one of the app's.
std::optional<planner::Held> held_of(const wire::AppSpec& app, const std::string& overlay) {
    for (std::size_t p = 0; p < app.positions.size(); ++p)
        for (std::uint32_t job = 0; job < std::max<std::size_t>(1, app.positions[p].parts.size()); ++job)
            if (app.positions[p].overlay_of(job) == overlay) return planner::Held(p, job);
    return std::nullopt;
}

}  // namespace

std::vector<std::vector<std::optional<planner::Held>>> loaded_now(const wire::AppSpec& app, const splitter::Cluster& cluster,
                                                                const wire::Status& status) {
    std::vector<std::vector<std::optional<planner::Held>>> loaded(cluster.boards.size());
    for (std::size_t i = 0; i < cluster.boards.size(); ++i) {
        const auto row = std::ranges::find(status.boards, cluster.boards[i].name, [](const auto& one) { return one.member.name; });
        if (row == status.boards.end()) continue;
        for (const auto& device : row->state.devices) {
            if (!device.healthy || device.part.empty()) continue;
            for (const auto& slot : device.loaded) {
                loaded[i].push_back(slot.state == 2 ? held_of(app, slot.overlay) : std::nullopt);
            }
        }
    }
    return loaded;
}

Result<std::vector<BoardProfile>> profiles_of(const splitter::Cluster& cluster, const std::filesystem::path& profiles) {
    std::set<std::pair<std::size_t, std::string>, std::greater<>> kinds;
    for (const auto& board : cluster.boards)
        kinds.emplace(board.slots, board.profile);
    std::vector<BoardProfile> result;
    for (const auto& [slots, name] : kinds) {
        auto profile = load_board_profile(profiles, name);
        if (!profile) return fail(profile.error());
        if (!profile->fabric) continue;
        profile->fabric->slots.value = static_cast<std::int64_t>(slots);
        result.push_back(std::move(*profile));
    }
    return result;
}

}  // namespace fard::cli
