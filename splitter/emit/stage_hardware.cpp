#include "splitter/emit/stage_hardware.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "splitter/report/explain.hpp"

namespace fard::splitter {

PlannedUnits planned_units(const Description& description, const PlannedStage& stage) {
    const auto first = description.network.cuts[stage.begin].layers;
    PlannedUnits planned;
    for (std::size_t i = 0; i < stage.foldings.size(); ++i) {
        const auto& parts = description.part_options[first + i];
        const auto& options = stage.parts > 1 && !parts.empty() ? parts[stage.parts - 2] : description.options[first + i];
        const auto& option = options[stage.foldings[i]];
        for (std::size_t u = 0; u < option.units.size(); ++u)
            planned.emplace_back(description.units[first + i][u], option.units[u]);
    }
    return planned;
}

namespace {

// Whether a planned unit may be this one: it reads as much (a part makes less than the whole), and its folding fits.
bool is_of(const model::FinnUnit& unit, const model::Layer& layer, const PlannedUnits::value_type& planned) {
    const auto most = foldable(unit, layer);
    const bool reads_as_much = unit.kind == model::FinnKind::mvau ? planned.first.mw == unit.mw : planned.first.channels % unit.channels == 0;
    return reads_as_much && most.pe % planned.second.pe == 0 && most.simd % planned.second.simd == 0;
}

}  // namespace

std::vector<NamedFolding> named_foldings(const std::vector<model::FinnUnit>& units, const PlannedUnits& planned,
                                         const std::vector<model::Layer>& layers, std::int64_t cycles, model::FinnFlow flow) {
    std::vector<NamedFolding> result;
    std::map<std::pair<model::FinnKind, bool>, int> numbers;
    auto next = planned.begin();
    for (auto unit : units) {
        const auto same = std::find_if(next, planned.end(), [&](const auto& one) { return one.first.kind == unit.kind; });
        const bool known = same != planned.end() && is_of(unit, layers[unit.layer], *same);
        unit.rtl = known ? same->second.rtl.value_or(unit.rtl) : unit.rtl;
        unit.number_in_language = numbers[{unit.kind, unit.rtl}]++;
        const auto folding = known ? same->second : keeping_up(unit, layers[unit.layer], cycles, {.flow = flow});
        result.emplace_back(model::name_of(unit, flow), folding);
        if (known) next = same + 1;
    }
    return result;
}

Hardware hardware_of(const Description& description, const Cluster& cluster, const Found& found, std::size_t stage) {
    const auto& planned = found.plan.stages[stage];
    const auto& cost = found.cost.stages[stage];
    const auto& board = cluster.boards[planned.boards.front()];
    Hardware build;
    build.part = board.part;
    build.figures = description.estimates == Estimates::finn ? "finn estimates" : "mended estimates";
    build.clock_mhz = board.clock_hz / 1e6;
    build.interval_cycles = cost.cycles;
    build.latency_cycles = std::llround(cost.latency_s * board.clock_hz);
    build.watts = board.watts.value_or(0);
    for (std::size_t i = 0; i < Resources::kinds; ++i)
        build.resources[resource_names[i]] = cost.need.of[i];
    const auto units = planned_units(description, planned);
    std::vector<model::FinnUnit> own;
    for (const auto& [unit, folding] : units)
        own.push_back(unit);
    build.folding = unit_foldings(named_foldings(own, units, description.layers, cost.cycles, description.finn.flow));
    return build;
}

Result<Hardware> plan_hardware(const model::Model& stage, const BoardProfile& profile, const Fractions& fractions) {
    auto cluster = cluster_of(profile, 1, fractions);
    if (!cluster) return fail(cluster.error());
    cluster->boards.front().macs_per_s = 0;  // all of it in the fabric
    DescribeSettings settings;
    describe_for(*cluster, settings);
    const auto description = describe(stage, settings);
    if (!description) return fail(description.error());
    const auto found = search(description->network, *cluster, {.strategy = Strategy::throughput, .stages = 1});
    if (!found && found.error().fault == Fault::refused) {
        const auto causes = why_nothing_fits(description->network, *cluster, {});
        return fail(Fault::refused, "{}: {}", found.error().message, fmt::join(causes, "; "));
    }
    if (!found) return fail(found.error());
    return hardware_of(*description, *cluster, *found, 0);
}

}  // namespace fard::splitter
