// The smallest latency of a stage: the cycles of its slowest layer, once and for each lead, and the fill of all.
//
// A ladder of limits says how far stages reach with so many cycles. The lowest rung on which a stage fits is about its slowest
// layer's cycles; no stage has fewer than those beyond the rung below. Where layers have fill, branch and bound looks further.
#include <algorithm>
#include <array>
#include <limits>

#include "splitter/search/stages.hpp"

namespace fard::splitter {
namespace {

constexpr std::size_t many_rungs = 300;  // with more limits than that, neighbours are one
constexpr double rung_step = 1.03;
constexpr std::size_t rungs_tried = 12;
constexpr int least_steps = 100;  // with fewer, branch and bound is not worth its preparation
constexpr double most_ways = 0x1p56;  // to choose from: with more, nothing is found in as many steps as there are
constexpr double infinite = std::numeric_limits<double>::infinity();
// Prices on resources: how they weigh against each other, what the whole budget then weighs, and what one of those is worth: so
// many times the limit of cycles.
constexpr std::array<std::array<double, Resources::kinds>, 3> weighed = {{{1, 0, 0, 0, 0}, {0, 0, 1, 0, 0}, {1, 1, 1, 0, 1}}};
constexpr std::array<double, 3> budgets_of = {1, 1, 4}, worths = {0.25, 1.0, 4.0};

// Branch and bound for the smallest fill of all and cycles of the slowest.
template <typename Option>
class Racer {
  public:
    Racer(const std::vector<std::vector<Option>>& options, std::size_t first, std::size_t end, const Resources& budget, double images)
        : options_(options), first_(first), budget_(budget), images_(images), chosen_(end - first), useful_(end - first), rest_(end - first + 1) {
        for (auto i = chosen_.size(); i-- > 0;) {
            rest_[i] = rest_[i + 1];
            rest_[i] += least_of(i);
        }
    }

    // Looks for something better than `best`.
    void run(double best, int steps) {
        best_ = best;
        steps_ = steps;
        if (!may_be_better(rest_[0])) return;
        double ways = 1;
        for (std::size_t i = 0; i < useful_.size(); ++i) {
            list_useful(i);
            ways *= static_cast<double>(useful_[i].size());
        }
        if (ways <= most_ways)
            place(0, {});
        else
            steps_ = 0;
    }
    bool found() const { return found_; }
    bool gave_up() const { return steps_ <= 0; }
    const std::vector<std::size_t>& options() const { return best_options_; }

  private:
    struct Sum {  // over layers
        Resources need;
        std::int64_t fill = 0, cycles = 0;  // cycles: of the slowest

        Sum& operator+=(const Sum& other) {
            need += other.need;
            fill += other.fill;
            cycles = std::max(cycles, other.cycles);
            return *this;
        }
        friend Sum operator+(Sum a, const Sum& b) { return a += b; }
    };
    static Sum sum_of(const Option& option) { return {option.need, option.fill, option.cycles}; }

    // Of everything for itself.
    Sum least_of(std::size_t i) const {
        auto least = sum_of(options_[first_ + i].front());
        for (const auto& option : options_[first_ + i]) {
            for (std::size_t k = 0; k < Resources::kinds; ++k)
                least.need.of[k] = std::min(least.need.of[k], option.need.of[k]);
            least.cycles = std::min(least.cycles, option.cycles);
            least.fill = std::min(least.fill, option.fill);
        }
        return least;
    }

    double latency(const Sum& sum) const { return static_cast<double>(sum.fill) + images_ * static_cast<double>(sum.cycles); }
    bool may_be_better(const Sum& least) const { return latency(least) < best_ && least.need.fits(budget_); }

    // Without options that make nothing better, whatever the other layers have.
    void list_useful(std::size_t i) {
        auto others = rest_[0];
        const auto least = least_of(i);
        others.need -= least.need;
        others.fill -= least.fill;
        const auto& options = options_[first_ + i];
        for (std::size_t o = 0; o < options.size(); ++o)
            if (may_be_better(others + sum_of(options[o]))) useful_[i].push_back({o, sum_of(options[o])});
    }

    void place(std::size_t i, const Sum& before) {
        if (i == chosen_.size()) {
            best_ = latency(before);
            best_options_ = chosen_;
            found_ = true;
            return;
        }
        if (--steps_ <= 0) return;
        for (const auto& [option, sum] : useful_[i]) {
            if (steps_ <= 0) return;
            const auto with = before + sum;
            if (!may_be_better(with + rest_[i + 1])) continue;
            chosen_[i] = option;
            place(i + 1, with);
        }
    }

    struct Useful {
        std::size_t option = 0;
        Sum sum;
    };

    const std::vector<std::vector<Option>>& options_;
    std::size_t first_;
    Resources budget_;
    double images_;
    std::vector<std::size_t> chosen_, best_options_;
    std::vector<std::vector<Useful>> useful_;  // by layer
    std::vector<Sum> rest_;                    // the least of the layers from one on
    double best_ = 0;
    int steps_ = 0;
    bool found_ = false;
};

}  // namespace

StageSolver::Solution StageSolver::solution_of(std::size_t first, const std::vector<std::size_t>& options) const {
    Solution solution;
    std::int64_t fill = 0;
    for (std::size_t i = 0; i < options.size(); ++i) {
        const auto& option = options_[first + i][options[i]];
        solution.foldings.push_back(option.number);
        solution.cycles = std::max(solution.cycles, option.cycles);
        fill += option.fill;
    }
    solution.latency = static_cast<double>(fill) + images(first, first + options.size()) * static_cast<double>(solution.cycles);
    return solution;
}

const std::vector<StageSolver::Rung>& StageSolver::ladder() {
    if (!ladder_.empty()) return ladder_;
    const auto& all = limits_;
    const bool many = all.size() > many_rungs;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto least = i == 0 ? 0 : ladder_.back().limit + 1;
        if (!many)
            ladder_.push_back({.limit = all[i], .least = all[i]});
        else if (i == 0 || i + 1 == all.size() || static_cast<double>(all[i + 1]) > static_cast<double>(ladder_.back().limit) * rung_step)
            ladder_.push_back({.limit = all[i], .least = least});
    }
    find_reaches(0, ladder_.size());
    for (auto& rung : ladder_)
        if (!with_fill_.empty()) price(rung);
    return ladder_;
}

// The last and the middle first: what rungs beneath and above say is then nearly all of it.
void StageSolver::find_reaches(std::size_t first, std::size_t end) {
    if (first == end) return;
    ladder_[end - 1].reach = &reach(ladder_[end - 1].limit);
    const auto middle = first + (end - first) / 2;
    find_reaches(first, middle);
    find_reaches(middle, end - 1);
}

// As a price on resources weighs them.
std::array<double, StageSolver::price_weightings> StageSolver::shares_of(const Resources& need) const {
    std::array<double, price_weightings> shares{};
    for (std::size_t w = 0; w < price_weightings; ++w)
        for (std::size_t k = 0; k < Resources::kinds; ++k)
            shares[w] += weighed[w][k] * static_cast<double>(need.of[k]) / static_cast<double>(std::max<std::int64_t>(1, budget_.of[k]));
    return shares;
}

// Whatever the price, no stage within the limit has less fill than the sum of what its layers choose by it, less the price of the
// whole budget.
void StageSolver::price(Rung& rung) const {
    const auto within = [&](std::size_t layer) {
        const auto& all = within_[layer];
        const auto beyond = std::ranges::upper_bound(all, rung.limit, {}, &Within::cycles);
        return beyond == all.begin() ? nullptr : &*(beyond - 1);
    };
    rung.fill.push_back(0);
    for (const auto layer : with_fill_) {
        const auto* all = within(layer);
        rung.fill.push_back(rung.fill.back() + (all ? static_cast<double>(all->fill) : 0));
    }
    for (std::size_t w = 0; w < price_weightings; ++w) {
        auto& shares = rung.shares[w];
        shares.push_back(0);
        for (std::size_t layer = 0; layer < options_.size(); ++layer) {
            const auto* all = fills_before_[layer + 1] == fills_before_[layer] ? within(layer) : nullptr;
            shares.push_back(shares.back() + (all ? all->share[w] : 0));
        }
        for (std::size_t p = 0; p < prices; ++p) {
            auto& sum = rung.priced[w * prices + p];
            const auto budget = worths[p] * static_cast<double>(rung.limit);
            sum.push_back(0);
            for (const auto layer : with_fill_) {
                double least = infinite;
                for (const auto& option : options_[layer])
                    if (option.cycles <= rung.limit)
                        least = std::min(least, static_cast<double>(option.fill) + budget * option.shares[w]);
                sum.push_back(sum.back() + (least < infinite ? least : 0));
            }
        }
    }
}

double StageSolver::least_fill(const Rung& rung, std::size_t first, std::size_t end) const {
    const auto from = fills_before_[first], to = fills_before_[end];
    if (from == to) return 0;
    auto least = rung.fill[to] - rung.fill[from];
    for (std::size_t w = 0; w < price_weightings; ++w)
        for (std::size_t p = 0; p < prices; ++p) {
            const auto& sum = rung.priced[w * prices + p];
            const auto others = rung.shares[w][end] - rung.shares[w][first] - budgets_of[w];
            least = std::max(least, sum[to] - sum[from] + worths[p] * static_cast<double>(rung.limit) * others);
        }
    return least;
}

// What is left of the budget goes to the layers whose fill it makes least, the most for its price first.
void StageSolver::spend_on_fill(std::size_t first, std::int64_t limit, std::vector<std::size_t>& chosen) const {
    struct Step {  // the best of a layer, whatever others do
        double gain = 0;
        std::size_t choice = 0;
    };
    const auto from = fills_before_[first], to = fills_before_[first + chosen.size()];
    std::vector<Step> steps(to - from);
    Resources need;
    for (std::size_t i = 0; i < chosen.size() && from < to; ++i)
        need += options_[first + i][chosen[i]].need;
    const auto now_of = [&](std::size_t i) -> const Option& { return options_[with_fill_[i]][chosen[with_fill_[i] - first]]; };
    const auto fits = [&](std::size_t i, std::size_t choice) {
        return (need - now_of(i).need + options_[with_fill_[i]][choice].need).fits(budget_);
    };
    const auto look = [&](std::size_t i) {
        const auto& options = options_[with_fill_[i]];
        const auto& now = now_of(i);
        auto& step = steps[i - from] = {};
        for (std::size_t o = 0; now.fill > 0 && o < options.size(); ++o) {
            const auto& option = options[o];
            if (option.fill >= now.fill || option.cycles > limit) continue;
            const auto gain = static_cast<double>(now.fill - option.fill) / std::max(1e-6, option.weights[0] - now.weights[0]);
            if (gain > step.gain && fits(i, o)) step = {gain, o};
        }
    };
    for (auto i = from; i < to; ++i)
        look(i);
    for (;;) {
        const auto best = std::ranges::max_element(steps, {}, &Step::gain);
        if (best == steps.end() || best->gain == 0) return;
        const auto taken = from + static_cast<std::size_t>(best - steps.begin());
        const auto before = now_of(taken).need;
        chosen[with_fill_[taken] - first] = best->choice;
        need += now_of(taken).need - before;
        for (auto i = from; i < to; ++i)
            if (i == taken || (steps[i - from].gain > 0 && !fits(i, steps[i - from].choice))) look(i);
    }
}

double StageSolver::latency_bound(std::size_t begin, std::size_t end, std::size_t rung) {
    const auto first = network_.cuts[begin].layers, last = network_.cuts[end].layers;
    const auto factor = images(first, last);
    const auto& all = ladder();
    double least = infinite;
    for (; rung < all.size(); ++rung) {
        const auto cycles = factor * static_cast<double>(all[rung].least);
        if (cycles >= least) break;
        if (all[rung].reach->possibly[begin] >= end) least = std::min(least, cycles + least_fill(all[rung], first, last));
    }
    return least;
}

std::vector<double> StageSolver::latency_bounds(std::size_t begin) {
    std::vector<double> bounds;
    const auto& all = ladder();
    std::size_t rung = 0;
    for (auto end = begin + 1; end < network_.cuts.size(); ++end) {
        while (rung < all.size() && all[rung].reach->possibly[begin] < end)
            ++rung;
        if (rung == all.size()) break;
        bounds.push_back(latency_bound(begin, end, rung));
    }
    return bounds;
}

const std::optional<StageSolver::Solution>& StageSolver::fastest(std::size_t begin, std::size_t end, bool& exact) {
    fastest_.resize(network_.cuts.size());
    auto& from = fastest_[begin];
    if (from.size() < end - begin) from.resize(end - begin);
    auto& found = from[end - begin - 1];
    if (!found) found = find_fastest(begin, end);
    exact &= found->exact;
    return found->solution;
}

StageSolver::Fastest StageSolver::find_fastest(std::size_t begin, std::size_t end) {
    const auto first = network_.cuts[begin].layers, last = network_.cuts[end].layers;
    for (auto layer = first; layer < last; ++layer)
        if (options_[layer].empty()) return {};
    std::optional<Solution> best;
    std::size_t tried = 0;
    for (const auto& rung : ladder()) {
        if (rung.reach->surely[begin] < end) continue;
        const auto cycles = images(first, last) * static_cast<double>(rung.least);
        if (best && cycles >= best->latency) break;
        if (tried++ == rungs_tried) break;
        if (best && cycles + least_fill(rung, first, last) >= best->latency) continue;
        limit_to(rung.limit);
        std::vector<std::size_t> chosen;
        if (!fit_within(begin, end, chosen)) continue;
        spend_on_fill(first, rung.limit, chosen);
        auto found = solution_of(first, chosen);
        if (!best || found.latency < best->latency) best = std::move(found);
    }
    if (best && best->latency <= latency_bound(begin, end, 0)) return {std::move(best), true};
    const auto cuts = static_cast<int>(std::min<std::size_t>(network_.cuts.size(), 10'000));
    const int steps = std::clamp(1'500'000 / (cuts * cuts), 20, 20'000);  // in all about as long for every network
    if (steps < least_steps) return {std::move(best), false};
    Racer<Option> racer(options_, first, last, budget_, images(first, last));
    racer.run(best ? best->latency : infinite, steps);
    return {racer.found() ? solution_of(first, racer.options()) : std::move(best), !racer.gave_up()};
}

}  // namespace fard::splitter
