#include "splitter/search/latency.hpp"

#include <algorithm>
#include <limits>

#include "splitter/search/labels.hpp"

namespace fard::splitter {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr std::size_t many_cuts = 120;

// What a cut's bytes take between any two boards at least.
double least_way_s(const Problem& problem, std::size_t cut) {
    const auto bytes = problem.network.cuts[cut].bytes;
    double least = infinite;
    const auto ends = [&](bool client) {
        std::vector<End> all;
        if (client) {
            all.push_back({&problem.cluster.client, nullptr});
            return all;
        }
        for (const auto& kind : problem.space.kinds) {
            const auto& board = problem.cluster.boards[kind.boards.front()];
            all.push_back({&board.way, &board});
        }
        return all;
    };
    const bool first = cut == 0, last = cut + 1 == problem.network.cuts.size();
    if (problem.space.any_tracked) return 0;  // it may stay where it is
    for (const auto& from : ends(first))
        for (const auto& to : ends(last))
            least = std::min(least, transfer_s(from, to, bytes));
    return least;
}

// The shortest way where every kind has as many boards as it takes, and every stage its fastest foldings.
double bound_of(Problem& problem) {
    const auto cuts = problem.network.cuts.size();
    std::vector<double> after(cuts, infinite);
    after.back() = least_way_s(problem, cuts - 1);
    std::vector<StageSolver::Reach> reach;
    for (auto& solver : problem.solvers)
        reach.push_back(solver.reach(std::numeric_limits<std::int64_t>::max() / 2));
    for (auto cut = cuts - 1; cut-- > 0;) {
        double best = infinite;
        for (std::size_t fabric = 0; fabric < problem.solvers.size(); ++fabric) {
            const auto& board = problem.cluster.boards[problem.space.fabrics[fabric]];
            for (auto end = cut + 1; end <= reach[fabric].possibly[cut]; ++end)
                best = std::min(best, after[end] + problem.solvers[fabric].latency_bound(cut, end) / board.clock_hz);
            if (!problem.on_processors || !(board.macs_per_s > 0)) continue;
            for (auto end = cut + 1; end < cuts; ++end)
                best = std::min(best, after[end] + static_cast<double>(problem.macs(cut, end)) / board.macs_per_s);
        }
        after[cut] = best + least_way_s(problem, cut);
    }
    return after.front();
}

}  // namespace

Quickest smallest_latency(Problem& problem, std::optional<std::size_t> stages, const std::vector<Plan>& known) {
    Quickest best;
    const auto take = [&](const Plan& plan) {
        const auto cost = evaluate(problem.network, problem.cluster, plan);
        if (!cost || (best.plan && cost->latency_s >= best.latency_s * (1 - 1e-9))) return;
        best.plan = plan;
        best.latency_s = cost->latency_s;
    };
    Question question;
    question.least = Question::Least::latency;
    question.stages = stages;
    question.labels = problem.network.cuts.size() > many_cuts ? 6 : 2000;
    const auto answer = search_labels(problem, question);
    if (answer.plan) take(*answer.plan);
    for (const auto& plan : known)
        take(plan);
    if (!best.plan) return best;
    best.bound_s = answer.complete ? best.latency_s : std::min(best.latency_s, bound_of(problem));
    return best;
}

}  // namespace fard::splitter
