#include "splitter/search/search.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "splitter/search/labels.hpp"
#include "splitter/search/latency.hpp"
#include "splitter/search/throughput.hpp"

namespace fard::splitter {
namespace {

constexpr double many_states = 20'000;

std::size_t most_stages(const Problem& problem) {
    return std::min(problem.space.slots, problem.network.cuts.size() - 1);
}

// The last cut that a board's processor gets to in the period; the cut itself where no layer is for processors.
std::size_t reach_of_processor(const Problem& problem, std::size_t board, std::size_t cut, double period_s) {
    const auto rate = problem.cluster.boards[board].macs_per_s;
    auto end = cut;
    if (!problem.on_processors || !(rate > 0)) return end;
    while (end + 1 < problem.network.cuts.size() && static_cast<double>(problem.macs(cut, end + 1)) <= period_s * rate)
        ++end;
    return end;
}

// Fills slot by slot in the cluster's order where no layer takes longer than the period; nothing if that needs more slots.
std::optional<Plan> fill_up(Problem& problem, std::size_t slots, double period_s) {
    Plan plan;
    std::size_t cut = 0;
    const auto last = problem.network.cuts.size() - 1;
    std::vector<StageSolver::Reach> reach;
    for (std::size_t fabric = 0; fabric < problem.space.fabrics.size(); ++fabric)
        reach.push_back(problem.solver(fabric).reach(problem.limit(fabric, 1, period_s)));
    for (std::size_t b = 0; b < problem.cluster.boards.size() && cut < last; ++b)
        for (std::size_t slot = 0; slot < problem.cluster.boards[b].slots && cut < last && slots > 0; ++slot) {
            const auto fabric = problem.space.kinds[problem.space.kind_of[b]].fabric;
            const auto end = reach[fabric].surely[cut];
            const auto by_processor = reach_of_processor(problem, b, cut, period_s);
            if (std::max(end, by_processor) == cut) continue;
            if (by_processor > end) {
                plan.stages.push_back({cut, by_processor, true, {}, {b}});
            } else {
                const auto found = problem.solver(fabric).fit(cut, end, problem.limit(fabric, 1, period_s));
                if (!found) continue;
                plan.stages.push_back({cut, end, false, found->foldings, {b}});
            }
            cut = plan.stages.back().end;
            --slots;
        }
    if (cut < last) return std::nullopt;
    return plan;
}

// The shortest period for which filling up works.
std::optional<Plan> by_occupancy(Problem& problem, std::optional<std::size_t> stages) {
    std::set<double> periods;
    for (const auto& layer : problem.network.layers)
        for (const auto& folding : layer.foldings)
            for (std::size_t fabric = 0; fabric < problem.space.fabrics.size(); ++fabric)
                periods.insert(static_cast<double>(folding.cycles) / problem.clock(fabric));
    if (problem.on_processors)
        for (const auto& board : problem.cluster.boards)
            for (std::size_t part = 1; part <= problem.space.slots && board.macs_per_s > 0; ++part)
                periods.insert(static_cast<double>(problem.macs(0, problem.network.cuts.size() - 1)) / board.macs_per_s /
                               static_cast<double>(part));
    const std::vector<double> sorted(periods.begin(), periods.end());
    const auto slots = stages.value_or(problem.space.slots);
    Plan best;
    for (std::size_t low = 0, high = sorted.size(); low < high;) {
        const auto middle = (low + high) / 2;
        auto plan = fill_up(problem, slots, sorted[middle] * (1 + 1e-12));
        (plan ? high : low) = plan ? middle : middle + 1;
        if (plan) best.stages = std::move(plan->stages);
    }
    if (best.stages.empty() || (stages && best.stages.size() != *stages)) return std::nullopt;
    return best;
}

// The same network with no other cuts than those of a plan.
Network at_cuts_of(const Network& network, const Plan& plan) {
    Network result = network;
    result.cuts = {network.cuts.front()};
    for (const auto& stage : plan.stages)
        result.cuts.push_back(network.cuts[stage.end]);
    return result;
}

// The cuts by what they are to make least; then, between these, the shortest period.
std::optional<Plan> by_cuts(Problem& problem, Question::Least least, std::optional<std::size_t> stages) {
    Question question;
    question.least = least;
    double states = static_cast<double>(problem.network.cuts.size());
    for (const auto& kind : problem.space.kinds)
        states *= static_cast<double>(kind.capacity + 1);
    question.labels = states > many_states ? 16 : 2000;
    std::optional<Plan> plan;
    for (auto count = stages.value_or(most_stages(problem)); count > 0 && !plan; --count) {
        question.stages = count;
        plan = search_labels(problem, question).plan;
        if (stages || states > many_states) break;
    }
    if (!plan) return std::nullopt;
    const auto network = at_cuts_of(problem.network, *plan);
    Problem between(network, problem.cluster);
    between.most_replicas = problem.most_replicas;
    auto known = *plan;
    for (std::size_t i = 0; i < known.stages.size(); ++i) {
        known.stages[i].begin = i;
        known.stages[i].end = i + 1;
    }
    auto best = shortest_period(between, known.stages.size(), {known});
    if (!best.plan) return plan;
    auto& stages_found = best.plan->stages;
    for (std::size_t i = 0; i < stages_found.size(); ++i) {
        stages_found[i].begin = plan->stages[i].begin;
        stages_found[i].end = plan->stages[i].end;
    }
    return std::move(best.plan);
}

std::optional<Plan> plan_by(Problem& problem, Strategy strategy, std::optional<std::size_t> stages) {
    switch (strategy) {
        case Strategy::occupancy: return by_occupancy(problem, stages);
        case Strategy::traffic: return by_cuts(problem, Question::Least::bytes, stages);
        case Strategy::balance: return by_cuts(problem, Question::Least::share, stages);
        default: return std::nullopt;
    }
}

// What the simple strategies find: where the search for the best begins.
std::vector<Plan> simple_plans(Problem& problem, std::optional<std::size_t> stages) {
    std::vector<Plan> plans;
    for (const auto strategy : {Strategy::occupancy, Strategy::traffic, Strategy::balance})
        if (auto plan = plan_by(problem, strategy, stages)) plans.push_back(std::move(*plan));
    return plans;
}

Result<Found> found(const Problem& problem, Plan plan, double bound_s) {
    auto cost = evaluate(problem.network, problem.cluster, plan);
    if (!cost) return fail(cost.error());
    return Found{std::move(plan), std::move(*cost), bound_s};
}

tl::unexpected<Error> nothing_fits(const Request& request) {
    if (request.stages)
        return fail(Fault::refused, "no plan of {} stages fits; other numbers may (leave --stages out)", *request.stages);
    return fail(Fault::refused, "no plan fits");
}

}  // namespace

const std::vector<std::string>& strategy_names() {
    static const std::vector<std::string> names{"occupancy", "traffic", "balance", "throughput", "latency"};
    return names;
}

std::optional<Strategy> strategy_of(std::string_view name) {
    const auto& names = strategy_names();
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) return std::nullopt;
    return static_cast<Strategy>(found - names.begin());
}

std::string_view name_of(Strategy strategy) { return strategy_names()[static_cast<std::size_t>(strategy)]; }

Result<> check_network(const Network& network) {
    if (network.layers.empty()) return fail(Fault::invalid_input, "{}: the network has no layers", network.name);
    for (const auto& layer : network.layers)
        for (const auto& folding : layer.foldings)
            if (folding.cycles < 1)
                return fail(Fault::invalid_input, "{}: layer '{}' takes {} cycles", network.name, layer.name, folding.cycles);
    const auto& cuts = network.cuts;
    const bool ends = cuts.size() >= 2 && cuts.front().layers == 0 && cuts.back().layers == network.layers.size();
    const bool ascends = std::ranges::adjacent_find(cuts, [](const Cut& a, const Cut& b) { return a.layers >= b.layers; }) ==
                         cuts.end();
    if (!ends || !ascends)
        return fail(Fault::invalid_input, "{}: the cuts do not ascend from the input to the result", network.name);
    return {};
}

Result<Found> search(const Network& network, const Cluster& cluster, const Request& request) {
    if (auto r = check_network(network); !r) return fail(r.error());
    if (cluster.boards.empty()) return fail(Fault::invalid_input, "there are no boards to plan for");
    Problem problem(network, cluster, request.solvers);
    if (!request.replicas) problem.most_replicas = 1;
    if (request.stages && (*request.stages < 1 || *request.stages > network.cuts.size() - 1))
        return fail(Fault::invalid_input, "{} stages of a network that can be cut into 1 to {}", *request.stages,
                    network.cuts.size() - 1);
    if (request.stages && *request.stages > problem.space.slots)
        return fail(Fault::invalid_input, "{} stages on boards that hold {}; give more boards", *request.stages,
                    problem.space.slots);
    if (request.strategy == Strategy::latency) {
        auto plans = simple_plans(problem, request.stages);
        if (auto shortest = shortest_period(problem, request.stages, plans).plan) plans.push_back(std::move(*shortest));
        auto quickest = smallest_latency(problem, request.stages, plans);
        if (!quickest.plan) return nothing_fits(request);
        return found(problem, std::move(*quickest.plan), quickest.bound_s);
    }
    const bool simple = request.strategy != Strategy::throughput;
    std::vector<Plan> plans;
    if (simple) {
        auto plan = plan_by(problem, request.strategy, request.stages);
        if (!plan) return nothing_fits(request);
        plans.push_back(std::move(*plan));
    } else {
        plans = simple_plans(problem, request.stages);
    }
    auto shortest = shortest_period(problem, request.stages, plans);
    if (!shortest.plan) return nothing_fits(request);
    return found(problem, simple ? std::move(plans.front()) : std::move(*shortest.plan), shortest.bound_s);
}

}  // namespace fard::splitter
