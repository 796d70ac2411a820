#include "splitter/search/latency.hpp"

#include <algorithm>

#include "splitter/search/labels.hpp"
#include "splitter/search/slot_prices.hpp"

namespace fard::splitter {
namespace {

constexpr std::size_t many_cuts = 120;
constexpr std::size_t few_labels = 12;  // with many cuts
constexpr double many_states = 5000;
constexpr std::size_t some_labels = 100;  // with many states at a cut: kinds of boards, or boards of several slots
constexpr int first_rounds = 60, later_rounds = 120;

std::size_t labels_for(const Problem& problem) {
    const auto cuts = problem.network.cuts.size();
    if (cuts > many_cuts) return few_labels;
    auto states = static_cast<double>(cuts);
    for (const auto& kind : problem.space.kinds)
        states *= static_cast<double>(kind.capacity + 1);
    return states > many_states ? some_labels : 2000;
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
    for (const auto& plan : known)
        take(plan);
    SlotPrices prices(problem);
    Question question;
    question.least = Question::Least::latency;
    question.stages = stages;
    question.parts = true;
    question.labels = labels_for(problem);
    question.prices = &prices;
    if (best.plan) {
        prices.raise(best.latency_s, first_rounds);
        question.known_s = best.latency_s;
    }
    const auto answer = search_labels(problem, question);
    if (answer.plan) take(*answer.plan);
    if (!best.plan) return best;
    if (!answer.complete) prices.raise(best.latency_s, later_rounds);
    best.bound_s = answer.complete ? best.latency_s : std::min(best.latency_s, prices.bound_s());
    return best;
}

}  // namespace fard::splitter
