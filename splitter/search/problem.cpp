#include "splitter/search/problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fard::splitter {

Problem::Problem(const Network& the_network, const Cluster& the_cluster)
    : network(the_network), cluster(the_cluster), space(the_cluster) {
    for (const auto board : space.fabrics)
        solvers.emplace_back(network, cluster.boards[board].usable);
    on_processors = std::ranges::any_of(network.layers, [](const Layer& layer) { return layer.foldings.empty(); });
    std::int64_t macs = 0;
    std::size_t layer = 0;
    for (const auto& cut : network.cuts) {
        for (; layer < cut.layers; ++layer)
            macs += network.layers[layer].macs;
        macs_.push_back(macs);
    }
}

std::int64_t Problem::limit(std::size_t fabric, std::size_t replicas, double period_s) const {
    const auto cycles = period_s * clock(fabric) * static_cast<double>(replicas) * (1 + 1e-12);
    constexpr auto most = std::numeric_limits<std::int64_t>::max() / 2;
    return cycles < static_cast<double>(most) ? static_cast<std::int64_t>(std::floor(cycles)) : most;
}

const std::optional<StageSolver::Solution>& Problem::fastest(std::size_t fabric, std::size_t begin, std::size_t end,
                                                             bool& exact) {
    auto [place, added] = fastest_.try_emplace({fabric, begin, end});
    auto& found = place->second;
    const auto cuts = static_cast<int>(std::min<std::size_t>(network.cuts.size(), 10'000));
    const int steps = std::clamp(1'500'000 / (cuts * cuts), 20, 20'000);  // in all about as long for every network
    if (added) found.solution = solvers[fabric].fastest(begin, end, steps, found.exact);
    exact &= found.exact;
    return found.solution;
}

Plan Problem::plan_of(const std::vector<Draft>& stages) const {
    Plan plan;
    std::vector<std::size_t> taken(space.kinds.size());
    for (const auto& draft : stages) {
        auto& stage = plan.stages.emplace_back();
        stage.begin = draft.begin;
        stage.end = draft.end;
        stage.on_processor = draft.on_processor;
        stage.foldings = draft.foldings;
        for (std::size_t kind = 0; kind < draft.slots.size(); ++kind)
            for (std::size_t i = 0; i < draft.slots[kind]; ++i) {
                const auto& boards = space.kinds[kind].boards;
                stage.boards.push_back(space.kinds[kind].tracked ? boards.front() : boards[taken[kind]++]);
            }
    }
    return plan;
}

}  // namespace fard::splitter
