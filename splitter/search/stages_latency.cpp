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
constexpr double infinite = std::numeric_limits<double>::infinity();

// Branch and bound for the smallest fill of all and cycles of the slowest.
template <typename Option>
class Racer {
  public:
    Racer(const std::vector<std::vector<Option>>& options, std::size_t first, std::size_t end, const Resources& budget, double images)
        : options_(options), first_(first), end_(end), budget_(budget), images_(images), chosen_(end - first), rest_(end - first + 1) {
        for (auto i = end; i-- > first;) {
            auto& rest = rest_[i - first];
            rest = rest_[i - first + 1];
            auto least = options[i].front();
            for (const auto& option : options[i]) {
                for (std::size_t k = 0; k < Resources::kinds; ++k)
                    least.need.of[k] = std::min(least.need.of[k], option.need.of[k]);
                least.cycles = std::min(least.cycles, option.cycles);
                least.fill = std::min(least.fill, option.fill);
            }
            rest.need += least.need;
            rest.fill += least.fill;
            rest.cycles = std::max(rest.cycles, least.cycles);
        }
    }

    // Looks for something better than `best`.
    void run(double best, int steps) {
        best_ = best;
        steps_ = steps;
        place(first_, {}, 0, 0);
    }
    bool found() const { return found_; }
    bool gave_up() const { return steps_ <= 0; }
    const std::vector<std::size_t>& options() const { return best_options_; }

  private:
    struct Rest {
        Resources need;
        std::int64_t fill = 0, cycles = 0;
    };

    double latency(std::int64_t fill, std::int64_t cycles) const {
        return static_cast<double>(fill) + images_ * static_cast<double>(cycles);
    }

    void place(std::size_t layer, const Resources& need, std::int64_t fill, std::int64_t cycles) {
        const auto& rest = rest_[layer - first_];
        if (latency(fill + rest.fill, std::max(cycles, rest.cycles)) >= best_ || !(need + rest.need).fits(budget_)) return;
        if (layer == end_) {
            best_ = latency(fill, cycles);
            best_options_ = chosen_;
            found_ = true;
            return;
        }
        if (--steps_ <= 0) return;
        for (std::size_t i = 0; i < options_[layer].size() && steps_ > 0; ++i) {
            const auto& option = options_[layer][i];
            chosen_[layer - first_] = i;
            place(layer + 1, need + option.need, fill + option.fill, std::max(cycles, option.cycles));
        }
    }

    const std::vector<std::vector<Option>>& options_;
    std::size_t first_, end_;
    Resources budget_;
    double images_;
    std::vector<std::size_t> chosen_, best_options_;
    std::vector<Rest> rest_;
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
    const auto all = limits(0, options_.size());
    const bool many = all.size() > many_rungs;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto least = i == 0 ? 0 : ladder_.back().limit + 1;
        if (!many)
            ladder_.push_back({all[i], all[i], {}, {}});
        else if (i == 0 || i + 1 == all.size() || static_cast<double>(all[i + 1]) > static_cast<double>(ladder_.back().limit) * rung_step)
            ladder_.push_back({all[i], least, {}, {}});
    }
    const bool with_fill = std::ranges::any_of(options_, [](const auto& options) {
        return std::ranges::any_of(options, [](const Option& option) { return option.fill > 0; });
    });
    for (auto& rung : ladder_) {
        rung.reach = reach(rung.limit);
        rung.fill.push_back(0);
        for (const auto& options : options_) {
            auto least = std::numeric_limits<std::int64_t>::max();
            for (const auto& option : options)
                if (option.cycles <= rung.limit) least = std::min(least, option.fill);
            const bool any = least != std::numeric_limits<std::int64_t>::max();
            rung.fill.push_back(rung.fill.back() + (any ? static_cast<double>(least) : 0));
        }
        if (with_fill) price(rung);
    }
    return ladder_;
}

// Whatever the price, no stage within the limit has less fill than the sum of what its layers choose by it, less the price of the
// whole budget.
void StageSolver::price(Rung& rung) const {
    constexpr std::array<std::array<double, Resources::kinds>, 3> weightings = {{{1, 0, 0, 0, 0}, {0, 0, 1, 0, 0}, {1, 1, 1, 0, 1}}};
    for (const auto& weighting : weightings)
        for (const double worth : {0.25, 1.0, 4.0}) {
            auto& priced = rung.priced.emplace_back();
            std::array<double, Resources::kinds> each{};
            for (std::size_t k = 0; k < Resources::kinds; ++k) {
                const auto share = worth * static_cast<double>(rung.limit) * weighting[k];
                priced.budget += share;
                each[k] = share / static_cast<double>(std::max<std::int64_t>(1, budget_.of[k]));
            }
            priced.sum.push_back(0);
            for (const auto& options : options_) {
                double least = infinite;
                for (const auto& option : options) {
                    if (option.cycles > rung.limit) continue;
                    auto sum = static_cast<double>(option.fill);
                    for (std::size_t k = 0; k < Resources::kinds; ++k)
                        sum += each[k] * static_cast<double>(option.need.of[k]);
                    least = std::min(least, sum);
                }
                priced.sum.push_back(priced.sum.back() + (least < infinite ? least : 0));
            }
        }
}

double StageSolver::least_fill(const Rung& rung, std::size_t first, std::size_t end) const {
    auto least = rung.fill[end] - rung.fill[first];
    for (const auto& priced : rung.priced)
        least = std::max(least, priced.sum[end] - priced.sum[first] - priced.budget);
    return least;
}

// What is left of the budget goes to the layers whose fill it makes least, the most for its price first.
void StageSolver::spend_on_fill(std::size_t first, std::int64_t limit, std::vector<std::size_t>& chosen) const {
    Resources need;
    for (std::size_t i = 0; i < chosen.size(); ++i)
        need += options_[first + i][chosen[i]].need;
    for (;;) {
        double best = 0;
        std::size_t layer = 0, choice = 0;
        for (std::size_t i = 0; i < chosen.size(); ++i) {
            const auto& now = options_[first + i][chosen[i]];
            if (now.fill == 0) continue;
            for (std::size_t o = 0; o < options_[first + i].size(); ++o) {
                const auto& option = options_[first + i][o];
                if (option.fill >= now.fill || option.cycles > limit || !(need - now.need + option.need).fits(budget_)) continue;
                const auto gain = static_cast<double>(now.fill - option.fill) / std::max(1e-6, option.weights[0] - now.weights[0]);
                if (gain <= best) continue;
                best = gain, layer = i, choice = o;
            }
        }
        if (best == 0) return;
        need += options_[first + layer][choice].need - options_[first + layer][chosen[layer]].need;
        chosen[layer] = choice;
    }
}

double StageSolver::latency_bound(std::size_t begin, std::size_t end) {
    const auto first = network_.cuts[begin].layers, last = network_.cuts[end].layers;
    const auto factor = images(first, last);
    double least = infinite;
    for (const auto& rung : ladder()) {
        const auto cycles = factor * static_cast<double>(rung.least);
        if (cycles >= least) break;
        if (rung.reach.possibly[begin] >= end) least = std::min(least, cycles + least_fill(rung, first, last));
    }
    return least;
}

std::optional<StageSolver::Solution> StageSolver::fastest(std::size_t begin, std::size_t end, int steps, bool& exact) {
    const auto first = network_.cuts[begin].layers, last = network_.cuts[end].layers;
    for (auto layer = first; layer < last; ++layer)
        if (options_[layer].empty()) return std::nullopt;
    std::optional<Solution> best;
    std::size_t tried = 0;
    for (const auto& rung : ladder()) {
        if (rung.reach.surely[begin] < end) continue;
        if (best && images(first, last) * static_cast<double>(rung.least) >= best->latency) break;
        limit_to(rung.limit);
        std::vector<std::size_t> chosen;
        if (fits(first, last, &chosen) == Fit::yes) {
            spend_on_fill(first, rung.limit, chosen);
            auto found = solution_of(first, chosen);
            if (!best || found.latency < best->latency) best = std::move(found);
        }
        if (++tried == rungs_tried) break;
    }
    if (best && best->latency <= latency_bound(begin, end)) return best;
    if (steps < least_steps) {
        exact = false;
        return best;
    }
    Racer<Option> racer(options_, first, last, budget_, images(first, last));
    racer.run(best ? best->latency : infinite, steps);
    if (racer.gave_up()) exact = false;
    return racer.found() ? solution_of(first, racer.options()) : best;
}

}  // namespace fard::splitter
