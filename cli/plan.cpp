#include "cli/plan.hpp"

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/suggest.hpp"
#include "overlays/profiles/board_profile.hpp"
#include "splitter/report/explain.hpp"

namespace fard::cli {

using namespace splitter;
using nlohmann::json;

double share(std::int64_t part, std::int64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

Result<Strategy> read_strategy(const Options& options, const std::string& otherwise) {
    const auto name = options.text("strategy", otherwise);
    const auto strategy = strategy_of(name);
    if (strategy) return *strategy;
    return fail(Fault::invalid_input, "--strategy {}: there is no such strategy{}; there are: {}", name,
                did_you_mean(name, strategy_names()), fmt::join(strategy_names(), ", "));
}

Result<std::optional<std::size_t>> read_stages(const Options& options) {
    if (!options.given("stages")) return std::optional<std::size_t>();
    const auto stages = options.number("stages", 1, 1, 4096);
    if (!stages) return fail(stages.error());
    return static_cast<std::size_t>(*stages);
}

std::vector<Board> one_of_each(const std::filesystem::path& profiles, const Fractions& fractions) {
    std::vector<Board> boards;
    for (const auto* name : {"zedboard", "ultra96", "kv260", "zcu104", "zcu102", "u280"}) {
        const auto profile = load_board_profile(profiles, name);
        if (!profile) continue;
        if (auto board = board_of(*profile, name, {.mbit_per_s = 1000}, fractions))
            boards.push_back(std::move(*board));
    }
    return boards;
}

Error explained(const Error& error, const Description& description, const Cluster& cluster,
                const std::vector<Board>& others) {
    if (error.fault != Fault::refused) return error;
    const auto causes = why_nothing_fits(description.network, cluster, others);
    return {Fault::invalid_input, fmt::format("{}: {}", error.message, fmt::join(causes, "\n  "))};
}

std::vector<std::string> layers_of(const Network& network, const PlannedStage& stage) {
    std::vector<std::string> names;
    for (auto layer = network.cuts[stage.begin].layers; layer < network.cuts[stage.end].layers; ++layer)
        names.push_back(network.layers[layer].name);
    return names;
}

Certificate certificate_of(const Found& found, Strategy strategy) {
    const auto value = found.value_s(strategy);
    if (!(found.bound_s > 0)) return {};
    if (strategy == Strategy::latency) return {found.bound_s * 1e3, (value - found.bound_s) / found.bound_s};
    return {1 / found.bound_s, 1 - found.bound_s / value};
}

std::string plan_json(const Network& network, const Cluster& cluster, const Found& found, Strategy strategy, const Turns* turns) {
    auto stages = json::array();
    for (std::size_t i = 0; i < found.plan.stages.size(); ++i) {
        const auto& stage = found.plan.stages[i];
        const auto& cost = found.cost.stages[i];
        const auto& board = cluster.boards[stage.boards.front()];
        json resources, utilisation;
        for (std::size_t k = 0; k < Resources::kinds; ++k) {
            resources[resource_names[k]] = cost.need.of[k];
            utilisation[resource_names[k]] = share(cost.need.of[k], board.whole.of[k]);
        }
        stages.push_back({{"position", i},
                          {"layers", layers_of(network, stage)},
                          {"board", board_names(cluster, stage)},
                          {"resources", resources},
                          {"utilisation", utilisation},
                          {"cycles", cost.cycles},
                          {"compute_ms", cost.compute_s * 1e3},
                          {"bytes_out", network.cuts[stage.end].bytes},
                          {"replicas", stage.replicas()},
                          {"parts", stage.parts}});
    }
    const auto certificate = certificate_of(found, strategy);
    json plan{{"strategy", name_of(strategy)},
              {"stages", std::move(stages)},
              {"throughput_per_s", 1 / found.cost.period_s},
              {"latency_ms", found.cost.latency_s * 1e3},
              {"energy_j", found.cost.energy_j ? json(*found.cost.energy_j) : json()},
              {"bottleneck", turns ? turns->bottleneck : bottleneck_of(network, cluster, found).what},
              {"bound", certificate.bound},
              {"gap", certificate.gap}};
    if (turns)
        plan["turns"] = {{"batch", turns->batch}, {"images", turns->images}, {"wall_s", turns->wall_s}, {"reloads", turns->reloads}};
    return plan.dump();
}

}  // namespace fard::cli
