#include "splitter/search/with_parts.hpp"

#include <algorithm>

#include "splitter/search/problem.hpp"

namespace fard::splitter {
namespace {

constexpr int most_rounds = 6;

bool fits_somewhere(const Network& network, const Cluster& cluster, const Layer& layer) {
    return std::ranges::any_of(layer.foldings, [&](const Folding& folding) {
        return std::ranges::any_of(cluster.boards, [&](const Board& board) { return (network.stage + folding.need).fits(board.usable); });
    });
}

// The layer that parts might help most: the slowest of the stage whose fabric is the bottleneck, or of the longest stage.
std::optional<std::size_t> to_be_relieved(const Network& network, const Found& found, Strategy strategy) {
    const auto& stages = found.plan.stages;
    if (strategy == Strategy::latency) {
        const auto longest = std::ranges::max_element(found.cost.stages, {}, &StageCost::latency_s);
        const auto& stage = stages[static_cast<std::size_t>(longest - found.cost.stages.begin())];
        if (stage.on_processor) return std::nullopt;
        return slowest_layer(network, stage, true);
    }
    const auto& worst = found.cost.bottleneck;
    if (worst.what != Load::What::fabric || stages[worst.stage].on_processor) return std::nullopt;
    return slowest_layer(network, stages[worst.stage], false);
}

}  // namespace

std::size_t slowest_layer(const Network& network, const PlannedStage& stage, bool with_fill) {
    const auto first = network.cuts[stage.begin].layers;
    std::int64_t most = -1;
    auto slowest = first;
    for (std::size_t i = 0; i < stage.foldings.size(); ++i) {
        const auto& folding = network.layers[first + i].foldings_of(stage.parts)[stage.foldings[i]];
        const auto cycles = folding.cycles + (with_fill ? folding.fill : 0);
        if (cycles <= most) continue;
        most = cycles;
        slowest = first + i;
    }
    return slowest;
}

bool uses_parts(Strategy strategy) { return strategy == Strategy::throughput || strategy == Strategy::latency; }

void offer_where_too_large(const Network& network, const Cluster& cluster, const OfferParts& offer) {
    for (std::size_t i = 0; i < network.layers.size(); ++i)
        if (const auto& layer = network.layers[i]; !layer.foldings.empty() && !fits_somewhere(network, cluster, layer)) offer(i);
}

Result<Found> search_with_parts(const Network& network, const Cluster& cluster, const Request& request, const OfferParts& offer) {
    if (!uses_parts(request.strategy)) return search(network, cluster, request);
    offer_where_too_large(network, cluster, offer);
    Solvers solvers;  // parts change no stage
    auto again = request;
    if (!again.solvers) again.solvers = &solvers;
    auto found = search(network, cluster, again);
    for (int round = 0; found && round < most_rounds; ++round) {
        const auto layer = to_be_relieved(network, *found, request.strategy);
        if (!layer || !offer(*layer)) break;
        auto other = search(network, cluster, again);
        if (!other) break;
        const auto bound = other->bound_s;
        const bool better = other->value_s(request.strategy) < found->value_s(request.strategy) * (1 - 1e-9);
        if (better) found = std::move(other);
        found->bound_s = std::min(found->bound_s, bound);
        if (!better) break;
    }
    return found;
}

}  // namespace fard::splitter
