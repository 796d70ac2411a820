#include "splitter/search/stages.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace fard::splitter {
namespace {

constexpr int steps_of_fit = 500;
constexpr int steps_again = 100;  // where more cycles did not do with `steps_of_fit`
constexpr std::size_t remembered_limits = 64;

// How much of the budget an option takes: by all resources, or by one of them above all.
template <std::size_t weightings>
std::array<double, weightings> weights_of(const Resources& need, const Resources& all) {
    std::array<double, weightings> weights{};
    for (std::size_t i = 0; i < Resources::kinds; ++i) {
        const auto budget = static_cast<double>(std::max<std::int64_t>(1, all.of[i]));
        const auto share = static_cast<double>(need.of[i]) / budget;
        for (std::size_t w = 0; w < weightings; ++w)
            weights[w] += w == i + 1 ? 1000 * share : share;
    }
    return weights;
}

bool not_worse(const Resources& a, const Resources& b) {
    return a.fits(b);
}

void lower(Resources& least, const Resources& need) {
    for (std::size_t k = 0; k < Resources::kinds; ++k)
        least.of[k] = std::min(least.of[k], need.of[k]);
}

}  // namespace

StageSolver::StageSolver(const Network& network, const Resources& budget)
    : network_(network), budget_(budget - network.stage), options_(network.layers.size()), within_(network.layers.size()) {
    leads_.push_back(0);
    fills_before_.push_back(0);
    for (std::size_t layer = 0; layer < network.layers.size(); ++layer) {
        const auto& foldings = network.layers[layer].foldings;
        auto& options = options_[layer];
        for (std::size_t i = 0; i < foldings.size(); ++i)
            if (foldings[i].need.fits(budget_)) options.push_back({i, foldings[i].need, foldings[i].cycles, foldings[i].fill,
                                                                weights_of<weightings>(foldings[i].need, budget_), shares_of(foldings[i].need)});
        drop_dominated(layer);
        sort_by_cycles(layer);
        leads_.push_back(leads_.back() + network.layers[layer].lead);
        if (std::ranges::any_of(options, [](const Option& option) { return option.fill > 0; })) with_fill_.push_back(layer);
        fills_before_.push_back(with_fill_.size());
        for (const auto& within : within_[layer])
            limits_.push_back(within.cycles);
    }
    std::ranges::sort(limits_);
    limits_.erase(std::unique(limits_.begin(), limits_.end()), limits_.end());
}

void StageSolver::drop_dominated(std::size_t layer) {
    auto& options = options_[layer];
    std::vector<Option> kept;
    for (std::size_t i = 0; i < options.size(); ++i) {
        const bool dominated = std::ranges::any_of(options, [&](const Option& other) {
            const bool as_good = not_worse(other.need, options[i].need) && other.cycles <= options[i].cycles &&
                                 other.fill <= options[i].fill;
            const bool same = other.need == options[i].need && other.cycles == options[i].cycles &&
                              other.fill == options[i].fill;
            return as_good && (!same || other.number < options[i].number);
        });
        if (!dominated) kept.push_back(options[i]);
    }
    options = std::move(kept);
}

void StageSolver::sort_by_cycles(std::size_t layer) {
    const auto& options = options_[layer];
    std::vector<std::size_t> order(options.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return options[i].cycles; });
    auto& all = within_[layer];
    for (const auto i : order) {
        const auto& option = options[i];
        if (all.empty()) {
            all.push_back({.cycles = option.cycles, .fill = option.fill, .least = option.need, .share = option.shares});
            all.back().pick.fill(i);
            continue;
        }
        if (all.back().cycles != option.cycles) all.push_back(all.back());
        auto& now = all.back();
        now.cycles = option.cycles;
        now.fill = std::min(now.fill, option.fill);
        lower(now.least, option.need);
        for (std::size_t w = 0; w < price_weightings; ++w)
            now.share[w] = std::min(now.share[w], option.shares[w]);
        for (std::size_t w = 0; w < weightings; ++w) {
            const auto heavy = option.weights[w], least = options[now.pick[w]].weights[w];
            if (heavy < least || (heavy == least && i < now.pick[w])) now.pick[w] = i;
        }
    }
}

std::int64_t StageSolver::same_as(std::int64_t limit) const {
    const auto beyond = std::ranges::upper_bound(limits_, limit);
    return beyond == limits_.begin() ? 0 : *(beyond - 1);
}

void StageSolver::limit_to(std::int64_t limit) {
    limit = same_as(limit);
    auto known = known_.find(limit);
    if (known == known_.end()) {
        if (known_.size() >= remembered_limits) known_.clear();
        known = known_.emplace(limit, limited(limit)).first;
    }
    now_ = &known->second;
    limit_ = limit;
}

StageSolver::Limited StageSolver::limited(std::int64_t limit) {
    Limited now;
    const auto layers = options_.size();
    now.layers.resize(layers);
    now.blocked.assign(layers + 1, 0);
    now.least.assign(layers + 1, {});
    for (auto& picked : now.picked)
        picked.assign(layers + 1, {});
    for (std::size_t layer = 0; layer < layers; ++layer) {
        auto& all = within_[layer];
        const auto beyond = std::ranges::upper_bound(all, limit, {}, &Within::cycles);
        auto* within = beyond == all.begin() ? nullptr : &*(beyond - 1);
        now.layers[layer] = within;
        now.blocked[layer + 1] = now.blocked[layer] + (within ? 0 : 1);
        now.least[layer + 1] = within ? now.least[layer] + within->least : now.least[layer];
        for (std::size_t w = 0; w < weightings; ++w) {
            auto& picked = now.picked[w];
            picked[layer + 1] = within ? picked[layer] + options_[layer][within->pick[w]].need : picked[layer];
        }
    }
    return now;
}

// The lightest first, without those that another is not heavier than in anything.
void StageSolver::list(std::size_t layer, Within& within) const {
    if (!within.needs.empty()) return;
    const auto& options = options_[layer];
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < options.size(); ++i)
        if (options[i].cycles <= within.cycles) order.push_back(i);
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return options[i].weights[0]; });
    for (const auto i : order) {
        if (std::ranges::any_of(within.needs, [&](const Resources& other) { return not_worse(other, options[i].need); })) continue;
        within.needs.push_back(options[i].need);
        within.places.push_back(i);
    }
}

std::optional<std::size_t> StageSolver::picked_fit(std::size_t first, std::size_t end) const {
    for (std::size_t w = 0; w < weightings; ++w)
        if ((now_->picked[w][end] - now_->picked[w][first]).fits(budget_)) return w;
    return std::nullopt;
}

bool StageSolver::least_fits(std::size_t first, std::size_t end) const {
    return now_->blocked[end] == now_->blocked[first] && (now_->least[end] - now_->least[first]).fits(budget_);
}

Fit StageSolver::fits(std::size_t first, std::size_t end, std::vector<std::size_t>* chosen, int steps) {
    if (!least_fits(first, end)) return Fit::no;
    if (const auto w = picked_fit(first, end)) {
        if (chosen)
            for (auto layer = first; layer < end; ++layer)
                chosen->push_back(now_->layers[layer]->pick[*w]);
        return Fit::yes;
    }
    Needs needs;
    for (auto layer = first; layer < end; ++layer) {
        list(layer, *now_->layers[layer]);
        needs.emplace_back(now_->layers[layer]->needs);
    }
    std::vector<std::size_t> places;
    const auto answer = choose(needs, budget_, steps, places);
    if (answer == Fit::yes && chosen)
        for (auto layer = first; layer < end; ++layer)
            chosen->push_back(now_->layers[layer]->places[places[layer - first]]);
    return answer;
}

const StageSolver::Reach& StageSolver::reach(std::int64_t limit) {
    limit = same_as(limit);
    const auto above = reaches_.lower_bound(limit);
    if (above != reaches_.end() && above->first == limit) return above->second;
    limit_to(limit);
    auto found = find_reach(above == reaches_.begin() ? nullptr : &std::prev(above)->second, above == reaches_.end() ? nullptr : &above->second);
    return reaches_.emplace_hint(above, limit, std::move(found))->second;
}

// The farther a stage begins, the farther it reaches: two pointers. With fewer cycles it reaches no farther, and with more as far:
// `below` and `above`, where they are known, leave little to be looked for.
StageSolver::Reach StageSolver::find_reach(const Reach* below, const Reach* above) {
    const auto& cuts = network_.cuts;
    Reach result;
    result.surely.resize(cuts.size());
    result.possibly.resize(cuts.size());
    std::size_t sure = 0, possible = 0;
    for (std::size_t begin = 0; begin < cuts.size(); ++begin) {
        const auto first = cuts[begin].layers;
        const auto last = above ? above->possibly[begin] : cuts.size() - 1;
        // What was not found with more cycles is seldom found with fewer.
        const auto steps_for = [&](std::size_t end) { return above && end > above->surely[begin] ? steps_again : steps_of_fit; };
        sure = std::max({sure, begin, below ? below->surely[begin] : 0});
        possible = std::clamp(possible, sure, last);
        // What could not be decided from an earlier begin may be easy from this one.
        while (sure < possible && fits(first, cuts[sure + 1].layers, nullptr, steps_for(sure + 1)) == Fit::yes)
            ++sure;
        while (possible < last) {
            const auto answer = fits(first, cuts[possible + 1].layers, nullptr, steps_for(possible + 1));
            if (answer == Fit::no) break;
            ++possible;
            if (answer == Fit::yes) sure = possible;
        }
        result.surely[begin] = sure;
        result.possibly[begin] = possible;
    }
    return result;
}

// Where the search for these layers alone was given up, reach() knows of them from more layers, or from fewer cycles.
bool StageSolver::fit_within(std::size_t begin, std::size_t end, std::vector<std::size_t>& chosen) {
    for (auto from = begin + 1; from-- > 0;) {
        const auto answer = fit_among(begin, end, from, end, chosen);
        if (answer == Fit::yes) return true;
        if (answer == Fit::no) break;
    }
    const auto limit = limit_;
    for (auto known = reaches_.upper_bound(limit); known != reaches_.begin();) {
        --known;
        if (known->second.surely[begin] < end) continue;
        limit_to(known->first);
        for (auto to = known->second.surely[begin]; to >= end; --to)
            for (auto from = begin + 1; from-- > 0;)
                if (fit_among(begin, end, from, to, chosen) == Fit::yes) return true;
    }
    return false;
}

// The layers from `begin` to `end` as a stage between two cuts around them has them.
Fit StageSolver::fit_among(std::size_t begin, std::size_t end, std::size_t from, std::size_t to, std::vector<std::size_t>& chosen) {
    const auto layers = [&](std::size_t cut) { return network_.cuts[cut].layers; };
    chosen.clear();
    const auto answer = fits(layers(from), layers(to), &chosen, steps_of_fit);
    if (answer != Fit::yes) return answer;
    chosen.resize(layers(end) - layers(from));
    chosen.erase(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(layers(begin) - layers(from)));
    return Fit::yes;
}

std::optional<StageSolver::Solution> StageSolver::fit(std::size_t begin, std::size_t end, std::int64_t limit) {
    limit_to(limit);
    std::vector<std::size_t> chosen;
    if (!fit_within(begin, end, chosen)) return std::nullopt;
    return solution_of(network_.cuts[begin].layers, chosen);
}

double StageSolver::least_share(std::size_t begin, std::size_t end) {
    limit_to(std::numeric_limits<std::int64_t>::max());
    const auto first = network_.cuts[begin].layers, last = network_.cuts[end].layers;
    const auto need = now_->picked[0][last] - now_->picked[0][first];
    double share = 0;
    for (std::size_t i = 0; i < Resources::kinds; ++i)
        if (need.of[i] > 0)
            share = std::max(share, static_cast<double>(need.of[i]) /
                                        static_cast<double>(std::max<std::int64_t>(1, budget_.of[i])));
    return share;
}

std::optional<std::int64_t> StageSolver::fewest_cycles(std::size_t layer) const {
    if (options_[layer].empty()) return std::nullopt;
    return std::ranges::min(options_[layer], {}, &Option::cycles).cycles;
}

}  // namespace fard::splitter
