#include "bench/papers/ours.hpp"

#include <algorithm>

#include "planner/timeline.hpp"

namespace fard::papers {
namespace {

using namespace planner;

Result<Planned> planned_at(const Setting& setting, const Ask& ask, double fraction) {
    auto cluster = boards(setting, ask.profile, ask.boards, fraction);
    if (!cluster) return fail(cluster.error());
    if (ask.clock_mhz > 0)
        for (auto& board : cluster->boards)
            board.clock_hz = ask.clock_mhz * 1e6;
    if (ask.input_at_first) cluster->input_at = 0;
    const auto described = network(setting, ask.network, *cluster, ask.pixels, "");
    if (!described) return fail(described.error());
    Wish wish;
    wish.run.chunks = ask.chunks;
    // No more than keeps all boards at work: what waits would be taken in before results are given out, and the time from the
    // first result to the last say too much.
    if (ask.steady) wish.window = std::max<std::size_t>(32, 8 * ask.boards);
    return plan_network(*described, *cluster, {}, wish);
}

Run run_of(const Ask& ask, const Planned& planned) {
    Run run{.chunks = ask.chunks};
    run.spans = !ask.picture.empty();
    if (!ask.loaded) return run;
    run.loaded.assign(planned.pipeline.places.size(), std::vector<std::optional<planner::Held>>(64));
    for (std::size_t i = planned.schedule.positions.size(); i-- > 0;)
        for (std::size_t job = 0; job < planned.schedule.positions[i].seats.size(); ++job) {
            const auto& seat = planned.schedule.positions[i].seats[job];
            run.loaded[seat.board][seat.slot] = planner::Held(i, planned.pipeline.positions[i].parts.empty() ? 0 : job);
        }
    return run;
}

}  // namespace

Result<Ours> ours(const Setting& setting, const Ask& ask) {
    Ours result;
    auto planned = planned_at(setting, ask, 0);
    if (!planned && planned.error().fault == Fault::refused) {
        planned = planned_at(setting, ask, 1);
        result.note = " (fraction 1.0)";
    }
    if (!planned) return fail(planned.error());
    const auto run = run_of(ask, *planned);
    const auto done = simulate(planned->pipeline, planned->schedule, run);
    if (!done) return fail(done.error());
    const auto chunks = static_cast<double>(ask.chunks);
    Seating seating;
    for (const auto& placed : planned->schedule.positions)
        seating.push_back(placed.seats);
    const auto fixed = wall_bound_s(planned->pipeline, seating, {planned->schedule.batch, planned->schedule.batch, true}, run);
    result.value = ask.steady ? *done->steady_per_s() : done->throughput_per_s();
    result.bound = chunks / (ask.loaded ? fixed : planned->bound_s);
    if (ask.steady) {  // what a chunk more costs at least
        auto twice = run;
        twice.chunks *= 2;
        result.bound = chunks / (wall_bound_s(planned->pipeline, seating, {planned->schedule.batch, planned->schedule.batch, true}, twice) - fixed);
    }
    if (ask.per_joule) {
        const auto joules = energy_j(planned->pipeline, *done).value_or(0);
        result.value = chunks / joules;
        result.bound = 0;
        for (std::size_t i = 0; i + 1 < planned->pipeline.places.size(); ++i)
            result.bound += planned->pipeline.places[i].power->idle * fixed;
        result.bound = chunks / result.bound;
    }
    if (run.spans)
        result.timeline = timeline_svg(planned->pipeline, *done, fmt::format("{} on {} x {}", ask.network, ask.boards, ask.profile),
                                       fmt::format("{} images in {:.4g} s", ask.chunks, done->wall_s()));
    return result;
}

}  // namespace fard::papers
