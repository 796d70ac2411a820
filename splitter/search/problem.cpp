#include "splitter/search/problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace fard::splitter {

namespace {

// Every combination of foldings of parts of the layers between two cuts: a layer that counts and others that take nothing.
void add_parted(const Network& network, const Resources& budget, std::size_t cut, std::size_t parts, std::vector<PartedStage>& all) {
    const auto first = network.cuts[cut].layers, end = network.cuts[cut + 1].layers;
    for (auto layer = first; layer < end; ++layer)
        if (network.layers[layer].foldings_of(parts).empty()) return;
    PartedStage now{.cut = cut, .parts = parts};
    now.foldings.assign(end - first, 0);
    for (bool more = true; more;) {
        auto need = network.stage;
        double fill = 0, images = 1;
        now.cycles = 0;
        for (auto layer = first; layer < end; ++layer) {
            const auto& folding = network.layers[layer].foldings_of(parts)[now.foldings[layer - first]];
            need += folding.need;
            fill += static_cast<double>(folding.fill);
            images += network.layers[layer].lead;
            now.cycles = std::max(now.cycles, folding.cycles);
        }
        now.latency = fill + images * static_cast<double>(now.cycles);
        if (need.fits(budget)) all.push_back(now);
        more = false;
        for (std::size_t i = 0; i < now.foldings.size() && !more; ++i) {
            more = ++now.foldings[i] < network.layers[first + i].foldings_of(parts).size();
            if (!more) now.foldings[i] = 0;
        }
    }
}

}  // namespace

std::vector<PartedStage> parted_stages(const Network& network, const Resources& budget) {
    std::vector<PartedStage> all;
    for (std::size_t cut = 0; cut + 1 < network.cuts.size(); ++cut)
        for (std::size_t parts = 2; parts <= most_parts; ++parts)
            add_parted(network, budget, cut, parts, all);
    std::ranges::stable_sort(all, {}, [](const PartedStage& s) { return std::tuple{s.cut, s.parts, s.cycles, s.latency}; });
    return all;
}

std::shared_ptr<StageSolver> Solvers::of(const Network& network, const Resources& budget) {
    for (const auto& [known, solver] : known_)
        if (known == budget) return solver;
    return known_.emplace_back(Known{budget, std::make_shared<StageSolver>(network, budget)}).solver;
}

Problem::Problem(const Network& the_network, const Cluster& the_cluster, Solvers* known)
    : network(the_network), cluster(the_cluster), space(the_cluster), most_replicas(space.slots) {
    Solvers own;
    for (const auto board : space.fabrics)
        solvers_.push_back((known ? known : &own)->of(network, cluster.boards[board].usable));
    const bool offered = std::ranges::any_of(network.layers, [](const Layer& layer) { return !layer.parts.empty(); });
    part_counts.resize(network.cuts.size());
    parted.resize(space.fabrics.size());
    for (std::size_t fabric = 0; offered && fabric < space.fabrics.size(); ++fabric) {
        parted[fabric] = parted_stages(network, cluster.boards[space.fabrics[fabric]].usable);
        for (const auto& stage : parted[fabric])
            if (auto& counts = part_counts[stage.cut]; std::ranges::find(counts, stage.parts) == counts.end())
                counts.push_back(stage.parts);
    }
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

const PartedStage* Problem::part_within(std::size_t fabric, std::size_t cut, std::size_t parts, std::int64_t limit) const {
    const PartedStage* slowest = nullptr;
    for (const auto& stage : parted[fabric])
        if (stage.cut == cut && stage.parts == parts && stage.cycles <= limit) slowest = &stage;
    return slowest;
}

const PartedStage* Problem::fastest_part(std::size_t fabric, std::size_t cut, std::size_t parts) const {
    const PartedStage* fastest = nullptr;
    for (const auto& stage : parted[fabric])
        if (stage.cut == cut && stage.parts == parts && (!fastest || stage.latency < fastest->latency)) fastest = &stage;
    return fastest;
}

bool Problem::has_parts() const {
    return std::ranges::any_of(part_counts, [](const auto& counts) { return !counts.empty(); });
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
        stage.parts = draft.parts;
        for (std::size_t kind = 0; kind < draft.slots.size(); ++kind)
            for (std::size_t i = 0; i < draft.slots[kind]; ++i) {
                const auto& boards = space.kinds[kind].boards;
                stage.boards.push_back(space.kinds[kind].tracked ? boards.front() : boards[taken[kind]++]);
            }
    }
    return plan;
}

}  // namespace fard::splitter
