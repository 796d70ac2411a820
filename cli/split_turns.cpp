#include "cli/split_turns.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "planner/least.hpp"
#include "planner/plan.hpp"
#include "planner/timeline.hpp"

namespace fard::cli {
namespace {

using namespace splitter;

constexpr std::uint64_t most_images = 100'000;
constexpr double proven = 1e-6;

std::string orders_of(const planner::Planned& planned) {
    std::string text;
    for (const auto& turns : planned.schedule.turns)
        text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", planned.schedule.boards[turns.slot.board], fmt::join(turns.order, ", "));
    return text;
}

Result<std::string> picture_of(const Network& network, const planner::Planned& planned, planner::Run run, const Turns& turns) {
    run.spans = true;
    const auto again = planner::simulate(planned.pipeline, planned.schedule, run);
    if (!again) return fail(again.error());
    const auto subtitle = fmt::format("{} images in batches of {}: {:.4g} s, {:.4g}/s; busiest: {}", turns.images, turns.batch, turns.wall_s,
                                      static_cast<double>(turns.images) / turns.wall_s, turns.bottleneck);
    return planner::timeline_svg(planned.pipeline, *again, network.name, subtitle);
}

}  // namespace

std::vector<OptionSpec> turn_options() {
    return {{"batch", "K", "where stages outnumber slots: images of a turn (64)"},
            {"chunks", "N", "where stages outnumber slots: how many images there are (64); --strategy latency: one batch"}};
}

Result<TurnWish> read_turns(const Options& options, Strategy strategy) {
    TurnWish wish;
    const auto batch = options.number("batch", *wish.batch, 1, most_images);
    if (!batch) return fail(batch.error());
    const auto images = options.number("chunks", wish.images, 1, most_images);
    if (!images) return fail(images.error());
    wish.batch = static_cast<std::size_t>(*batch);
    wish.images = static_cast<std::size_t>(strategy == Strategy::latency ? *batch : *images);
    return wish;
}

Result<InTurns> best_in_turns(const Network& network, const Cluster& cluster, const Request& request, const TurnWish& wish) {
    planner::Wish wished;
    wished.run.chunks = wish.images;
    wished.run.ahead_bytes = wished.link_bytes;
    if (wish.batch) wished.batch = std::min(*wish.batch, wish.images);
    wished.latency_s = wish.latency_s;
    planner::Question question;
    question.stages = request.stages;
    question.only_turns = true;
    question.solvers = request.solvers;
    auto planned = planner::plan_network(network, cluster, question, wished);
    if (!planned) return fail(planned.error());
    const auto& simulated = planned->simulated;
    const auto images = static_cast<double>(wish.images);
    InTurns made;
    made.turns = {wish.images, planned->schedule.batch, simulated.reloads, simulated.wall_s(),
                  fmt::format("{}: at work for {:.0f} % of the time", planned->limit.what, planned->limit.share * 100), orders_of(*planned)};
    auto picture = picture_of(network, *planned, wished.run, made.turns);
    if (!picture) return fail(picture.error());
    made.picture = std::move(*picture);
    const auto least_s = planned->everything
                             ? made.turns.wall_s
                             : std::min(made.turns.wall_s, planner::least_wall_s(network, cluster, wish.images, wish.batch.value_or(1),
                                                                                 request.stages, request.solvers));
    auto& cost = made.found.cost;
    cost.stages = planned->costs;
    cost.period_s = made.turns.wall_s / images;
    cost.latency_s = *std::ranges::max_element(simulated.latency_s);
    if (planned->energy_j) cost.energy_j = *planned->energy_j / images;
    made.found.bound_s = request.strategy == Strategy::latency ? std::min(least_s, cost.latency_s) : least_s / images;
    made.found.plan = std::move(planned->stages);
    return made;
}

std::string text_of(const InTurns& in_turns, Strategy strategy) {
    const auto& [images, batch, reloads, wall_s, bottleneck, orders] = in_turns.turns;
    const auto certificate = certificate_of(in_turns.found, strategy);
    auto text = fmt::format("\nin turns     {} image{} in batches of {}, {} reloads; the stages of a round by board: {}\n", images, images == 1 ? "" : "s",
                            batch, reloads, orders);
    text += fmt::format("throughput   {:.4g}/s: {:.4g} s for all\nlatency      {:.4g} ms of the slowest image\nbottleneck   {}\n", static_cast<double>(images) / wall_s,
                        wall_s, in_turns.found.cost.latency_s * 1e3, bottleneck);
    text += "relief       as many slots as there are stages, or larger batches (--batch, --chunks)\n";
    return text + fmt::format("bound        {:.4g} {} ({}); gap {:.2f} %\n", certificate.bound, strategy == Strategy::latency ? "ms" : "/s",
                              certificate.gap < proven ? "all cuts, seats and orders were tried" : "nothing is better than this",
                              certificate.gap * 100);
}

}  // namespace fard::cli
