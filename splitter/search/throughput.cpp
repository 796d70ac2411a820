#include "splitter/search/throughput.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "splitter/search/labels.hpp"

namespace fard::splitter {
namespace {

constexpr double close_enough = 1.0005;  // of two periods, before the last step
constexpr std::size_t many_labels = 20'000;

class Halving {
  public:
    Halving(Problem& problem, std::optional<std::size_t> stages) : problem_(problem), stages_(stages), lattice_(problem) {
        double states = static_cast<double>(problem.network.cuts.size());
        for (const auto& kind : problem.space.kinds)
            states *= static_cast<double>(kind.capacity + 1);
        few_ = states <= many_labels;
        labels_ = few_ ? 4000 : 60;
    }

    Shortest run(const std::vector<Plan>& known) {
        for (const auto& plan : known)
            take(plan);
        if (!best_.plan) try_period(std::numeric_limits<double>::infinity());
        if (!best_.plan) return best_;
        proven_ = least_possible();
        floor_ = std::max(proven_, best_.period_s * 1e-6);
        while (best_.period_s > floor_ * close_enough) {
            const auto middle = std::sqrt(floor_ * best_.period_s);
            if (!try_period(middle)) floor_ = middle;
        }
        while (best_.period_s > proven_ && try_period(best_.period_s * (1 - 1e-9))) {}
        best_.bound_s = bound();
        settle();
        return best_;
    }

  private:
    // Nothing can be faster than the client's ways.
    double least_possible() const {
        const auto& cluster = problem_.cluster;
        const auto& cuts = problem_.network.cuts;
        double least = 0;
        if (!cluster.input_at) least = std::max(least, wire_s(cluster.client, cuts.front().bytes));
        if (!cluster.output_at) least = std::max(least, wire_s(cluster.client, cuts.back().bytes));
        return std::min(least, best_.period_s);
    }

    bool take(const Plan& plan) {
        if (stages_ && plan.stages.size() != *stages_) return false;
        const auto cost = evaluate(problem_.network, problem_.cluster, plan);
        if (!cost || (best_.plan && cost->period_s >= best_.period_s)) return false;
        best_.plan = plan;
        best_.period_s = cost->period_s;
        return true;
    }

    // A plan that keeps a period; whether it is sure that there is none.
    std::optional<Plan> plan_for(double period_s, bool& none) {
        none = false;
        if (!few_ && !stages_ && problem_.most_replicas > 1 && !problem_.space.any_tracked && lattice_.can_find()) return lattice_.find(period_s);
        Question question;
        question.period_s = period_s;
        question.stages = stages_;
        question.replicas = problem_.most_replicas;
        if (stages_ && *stages_ <= problem_.space.slots)  // the other stages need a slot each
            question.replicas = std::min(question.replicas, problem_.space.slots - *stages_ + 1);
        question.parts = true;
        question.labels = labels_;
        auto answer = search_labels(problem_, question);
        none = answer.complete && !answer.plan;
        return std::move(answer.plan);
    }

    // Whether a plan better than the best was found. What is proven is remembered.
    bool try_period(double period_s) {
        bool none = false;
        const auto plan = plan_for(period_s, none);
        if (none) proven_ = std::max(proven_, period_s);
        return plan && take(*plan);
    }

    // Of the plans as fast as the best, one that takes the fewest slots and no more of a fabric than it must.
    void settle() {
        bool none = false;
        auto plan = plan_for(best_.period_s, none);
        if (!plan) return;
        const auto cost = evaluate(problem_.network, problem_.cluster, *plan);
        if (!cost || cost->period_s > best_.period_s || (stages_ && plan->stages.size() != *stages_)) return;
        best_.plan = std::move(plan);
        best_.period_s = cost->period_s;
    }

    double bound() {
        // The last step refuted everything that is shorter.
        if (proven_ >= best_.period_s * (1 - 2e-9)) return best_.period_s;
        double low = proven_, high = best_.period_s;
        if (lattice_.refutes(high * (1 - 1e-9))) return high;
        while (high > low * close_enough) {
            const auto middle = std::sqrt(std::max(low, high * 1e-6) * high);
            (lattice_.refutes(middle) ? low : high) = middle;
        }
        return low;
    }

    Problem& problem_;
    std::optional<std::size_t> stages_;
    Lattice lattice_;
    Shortest best_;
    double floor_ = 0, proven_ = 0;
    bool few_ = false;
    std::size_t labels_ = 0;
};

}  // namespace

Shortest shortest_period(Problem& problem, std::optional<std::size_t> stages, const std::vector<Plan>& known) {
    return Halving(problem, stages).run(known);
}

}  // namespace fard::splitter
