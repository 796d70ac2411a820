#include "cli/submit_plan.hpp"

#include <algorithm>

#include "cli/cluster_status.hpp"
#include "cli/running_boards.hpp"
#include "client/batch.hpp"

namespace fard::cli {
namespace {

constexpr std::uint64_t most_planned = 20'000;  // chunks, which are followed one by one

// The boards that a run goes to, and what they hold.
struct Boards {
    splitter::Cluster cluster;
    std::vector<std::vector<std::optional<planner::Held>>> loaded;
};

Result<Boards> boards_of(const LocalClusterOptions& own, bool client_on_board) {
    if (own.profile.empty()) return fail(Fault::unsupported, "nothing is known of plain computers");
    const auto directory = find_board_profiles();
    if (!directory) return fail(directory.error());
    auto profile = load_board_profile(*directory, own.profile);
    if (!profile) return fail(profile.error());
    if (own.slots > 0 && profile->fabric) profile->fabric->slots.value = own.slots;
    auto cluster = splitter::cluster_of(*profile, own.boards, splitter::Fractions{});
    if (!cluster) return fail(cluster.error());
    for (std::size_t i = 0; i < cluster->boards.size(); ++i)
        cluster->boards[i].name = LocalCluster::board_name(i);
    if (client_on_board) splitter::put_client_on_board(*cluster, 0);
    return Boards{std::move(*cluster), {}};
}

Result<Boards> boards_of(const wire::AppSpec& app, const ApiOptions& place) {
    if (place.doors.empty() && place.embedded) return boards_of(*place.embedded, place.on_board);
    const auto status = cluster_status(place.doors);
    if (!status) return fail(status.error());
    const auto directory = find_board_profiles();
    if (!directory) return fail(directory.error());
    auto cluster = running_boards(*status, *directory, splitter::Fractions{}, place.on_board);
    if (!cluster) return fail(cluster.error());
    auto loaded = loaded_now(app, *cluster, *status);
    return Boards{std::move(*cluster), std::move(loaded)};
}

planner::Wish wish_of(const wire::AppSpec& app, const Planning& planning, Boards& boards) {
    planner::Wish wish;
    wish.run.chunks = static_cast<std::size_t>(planning.chunks);
    wish.run.loaded = std::move(boards.loaded);
    wish.latency_s = planning.latency_s;
    wish.link_bytes = wish.run.ahead_bytes = app.link_bytes;
    wish.window_bytes = app.window_bytes;  // smaller ones are tried where a latency is to be kept
    if (!planning.latency_s) wish.window = static_cast<std::size_t>(std::max<std::uint64_t>(1, app.window_bytes / chunk_bytes_of(app)));
    if (planning.batch.value_or(0) > 0) wish.batch = static_cast<std::size_t>(app.batch);
    wish.tries = planner::tries_for(wish.run.chunks, app.positions.size());
    return wish;
}

// The run as the schedule has it; a window of as many chunks.
Result<> follow(const std::string& text, wire::AppSpec& app) {
    const auto schedule = planner::parse_schedule(text);
    if (!schedule) return fail(schedule.error());
    app.schedule = text;
    app.batch = schedule->turns.empty() ? 0 : schedule->batch;
    app.window_bytes = schedule->window * chunk_bytes_of(app);
    return {};
}

Result<Forecast> expect(PackedApp& packed, const Planning& planning, const ApiOptions& place) {
    auto& app = packed.spec;
    if (planning.chunks < 1 || planning.chunks > most_planned)
        return fail(Fault::unsupported, "{} chunks are not planned for: 1 to {} are", planning.chunks, most_planned);
    auto boards = boards_of(app, place);
    if (!boards) return fail(boards.error());
    const auto wish = wish_of(app, planning, *boards);
    if (!planning.schedule.empty()) {
        const auto schedule = planner::parse_schedule(planning.schedule);
        if (!schedule) return fail(schedule.error());
        return forecast_as(packed, boards->cluster, *schedule, wish.run);
    }
    auto made = forecast(packed, boards->cluster, wish);
    if (!made) return fail(made.error());
    if (made->turns()) app.schedule = planner::text_of(made->schedule);
    if (made->turns() && !wish.batch) app.batch = made->schedule.batch;
    if (planning.latency_s || (made->turns() && !wish.batch)) app.window_bytes = made->schedule.window * chunk_bytes_of(app);
    return made;
}

}  // namespace

std::optional<Expected> Prepared::expected(const RunSummary& summary) const {
    if (!forecast) return std::nullopt;
    const auto& simulated = forecast->simulated;
    Expected expected;
    expected.wall_s = simulated.wall_s();
    expected.throughput_per_s = simulated.throughput_per_s();
    expected.steady_per_s = simulated.steady_per_s().value_or(expected.throughput_per_s);
    expected.reloads = simulated.reloads;
    expected.bound_per_s = forecast->bound_s > 0 ? static_cast<double>(simulated.delivered_s.size()) / forecast->bound_s : 0;
    expected.period_ms = planner::period_s(simulated) * 1e3;
    expected.limit = forecast->limit.what;
    expected.energy_j = forecast->energy_j;
    expected.measured_energy_j = energy_of(*forecast, summary);
    return expected;
}

Result<Prepared> plan_submission(PackedApp& packed, const Planning& planning, const ApiOptions& place) {
    Prepared prepared;
    if (!planning.asked()) return prepared;
    if (!planning.schedule.empty()) {
        if (auto followed = follow(planning.schedule, packed.spec); !followed) return fail(followed.error());
    } else if (planning.batch) {
        prepared.remark = set_batch(packed.spec, *planning.batch ? planning.batch : std::nullopt, planning.chunks);
    }
    auto expected = expect(packed, planning, place);
    if (expected) {
        prepared.forecast = std::move(*expected);
    } else if (planning.latency_s) {
        return fail(Fault::refused, "--latency-bound: {}", expected.error().message);
    }
    return prepared;
}

}  // namespace fard::cli
