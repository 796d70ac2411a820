// The smallest latency of a stage: the fill of all its layers, and the cycles of its slowest.
//
// For a limit of cycles and a price of resources every layer takes the folding with the least fill and price. What fits of
// these is a stage; and whatever the price, no stage within the limit has less fill than the sum less the price of the whole
// budget. Between the two lies branch and bound.
#include <algorithm>
#include <cmath>
#include <limits>

#include "splitter/search/stages.hpp"

namespace fard::splitter {
namespace {

constexpr std::size_t many_layers = 150;  // with so many, the table is coarse
constexpr std::size_t few_layers = 20;    // with no more, it is fine
constexpr double infinite = std::numeric_limits<double>::infinity();

// Branch and bound for the smallest fill of all and cycles of the slowest.
template <typename Option>
class Racer {
  public:
    Racer(const std::vector<std::vector<Option>>& options, std::size_t first, std::size_t end, const Resources& budget)
        : options_(options), first_(first), end_(end), budget_(budget), chosen_(end - first), rest_(end - first + 1) {
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
    void run(std::int64_t best, int steps) {
        best_ = best;
        steps_ = steps;
        place(first_, {}, 0, 0);
    }
    bool found() const { return found_; }
    bool gave_up() const { return steps_ <= 0; }
    std::int64_t best() const { return best_; }
    const std::vector<std::size_t>& options() const { return best_options_; }

  private:
    struct Rest {
        Resources need;
        std::int64_t fill = 0, cycles = 0;
    };

    void place(std::size_t layer, const Resources& need, std::int64_t fill, std::int64_t cycles) {
        const auto& rest = rest_[layer - first_];
        if (fill + rest.fill + std::max(cycles, rest.cycles) >= best_ || !(need + rest.need).fits(budget_)) return;
        if (layer == end_) {
            best_ = fill + cycles;
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
    std::vector<std::size_t> chosen_, best_options_;
    std::vector<Rest> rest_;
    std::int64_t best_ = 0;
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
    solution.latency = fill + solution.cycles;
    return solution;
}

StageSolver::Priced StageSolver::price(std::size_t limit, double price, const std::array<double, Resources::kinds>& of) const {
    const auto layers = options_.size();
    Priced row{.limit = limit};
    for (const auto share : of)
        row.price += price * share;
    row.pick.resize(layers);
    row.sum.resize(layers + 1);
    row.fill.resize(layers + 1);
    row.need.resize(layers + 1);
    std::array<double, Resources::kinds> each{};
    for (std::size_t k = 0; k < Resources::kinds; ++k)
        each[k] = price * of[k] / static_cast<double>(std::max<std::int64_t>(1, budget_.of[k]));
    for (std::size_t layer = 0; layer < layers; ++layer) {
        const Option* best = nullptr;
        double least = infinite;
        for (const auto& option : options_[layer]) {
            if (option.cycles > prices_->limits[limit]) continue;
            auto sum = static_cast<double>(option.fill);
            for (std::size_t k = 0; k < Resources::kinds; ++k)
                sum += each[k] * static_cast<double>(option.need.of[k]);
            if (sum >= least) continue;
            least = sum;
            best = &option;
        }
        row.sum[layer + 1] = row.sum[layer] + (best ? least : 0);
        row.fill[layer + 1] = row.fill[layer] + (best ? best->fill : 0);
        row.need[layer + 1] = best ? row.need[layer] + best->need : row.need[layer];
        if (best) row.pick[layer] = static_cast<std::uint16_t>(best - options_[layer].data());
    }
    return row;
}

const StageSolver::PriceTable& StageSolver::prices() {
    if (prices_) return *prices_;
    auto& table = prices_.emplace();
    const bool many = options_.size() > many_layers;
    const double step = many ? 1.5 : 1.12, factor = many ? 8 : options_.size() > few_layers ? 4 : 2;
    for (const auto limit : limits(0, options_.size()))
        if (table.limits.empty() || static_cast<double>(limit) > static_cast<double>(table.limits.back()) * step)
            table.limits.push_back(limit);
    if (const auto all = limits(0, options_.size()); !all.empty() && table.limits.back() != all.back()) table.limits.push_back(all.back());
    const std::vector<std::array<double, Resources::kinds>> weightings = {
        {1, 0, 0, 0, 0}, {0, 0, 1, 0, 0}, {1, 1, 1, 0, 1}, {1, 0, 1, 0, 0}, {0, 0, 0, 0, 1}, {0, 1, 0, 0, 0}};
    for (std::size_t limit = 0; limit < table.limits.size(); ++limit) {
        auto& blocked = table.blocked.emplace_back(options_.size() + 1);
        for (std::size_t layer = 0; layer < options_.size(); ++layer) {
            const bool any = std::ranges::any_of(options_[layer], [&](const Option& o) { return o.cycles <= table.limits[limit]; });
            blocked[layer + 1] = blocked[layer] + (any ? 0 : 1);
        }
        table.rows.push_back(price(limit, 0, weightings[0]));
        for (std::size_t w = 0; w < (many ? 3 : weightings.size()); ++w)
            for (double p = 64; p < 1e9; p *= factor)
                table.rows.push_back(price(limit, p, weightings[w]));
    }
    return table;
}

// Of the table's stages that fit, about the one with the smallest latency.
const StageSolver::Priced* StageSolver::best_priced(std::size_t first, std::size_t end) {
    const auto& table = prices();
    const Priced* best = nullptr;
    auto least = std::numeric_limits<std::int64_t>::max();
    for (const auto& row : table.rows) {
        if (table.blocked[row.limit][end] != table.blocked[row.limit][first]) continue;
        const auto latency = row.fill[end] - row.fill[first] + table.limits[row.limit];
        if (latency >= least || !(row.need[end] - row.need[first]).fits(budget_)) continue;
        least = latency;
        best = &row;
    }
    return best;
}

double StageSolver::latency_bound(std::size_t begin, std::size_t end) {
    const auto first = network_.cuts[begin].layers, last = network_.cuts[end].layers;
    const auto& table = prices();
    std::vector<double> fill(table.limits.size(), 0);
    for (const auto& row : table.rows)
        fill[row.limit] = std::max(fill[row.limit], row.sum[last] - row.sum[first] - row.price);
    double least = infinite;
    for (std::size_t i = 0; i < table.limits.size(); ++i) {
        if (table.blocked[i][last] != table.blocked[i][first]) continue;
        const bool lowest = i == 0 || table.blocked[i - 1][last] != table.blocked[i - 1][first];
        // The slowest takes more than the limit before; where that one has no stage at all, what the slowest takes at least.
        double cycles = 0;
        if (lowest)
            for (auto layer = first; layer < last; ++layer)
                cycles = std::max(cycles, static_cast<double>(*fewest_cycles(layer)));
        else
            cycles = static_cast<double>(table.limits[i - 1] + 1);
        least = std::min(least, cycles + fill[i]);
    }
    return least;
}

std::optional<StageSolver::Solution> StageSolver::fastest(std::size_t begin, std::size_t end, int steps, bool& exact) {
    const auto first = network_.cuts[begin].layers, last = network_.cuts[end].layers;
    for (auto layer = first; layer < last; ++layer)
        if (options_[layer].empty()) return std::nullopt;
    std::optional<Solution> best;
    if (const auto* row = best_priced(first, last))
        best = solution_of(first, {row->pick.begin() + static_cast<std::ptrdiff_t>(first),
                                   row->pick.begin() + static_cast<std::ptrdiff_t>(last)});
    else
        best = fit(begin, end, std::numeric_limits<std::int64_t>::max() / 2);
    Racer<Option> racer(options_, first, last, budget_);
    racer.run(best ? best->latency : std::numeric_limits<std::int64_t>::max(), steps);
    if (racer.gave_up()) exact = false;
    return racer.found() ? solution_of(first, racer.options()) : best;
}

}  // namespace fard::splitter
