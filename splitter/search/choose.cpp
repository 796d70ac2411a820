// By prices on resources: the cheapest options of all layers, at whatever prices, either fit, or cost more than the whole budget,
// and then nothing fits; else what is scarce is made dearer. What is left undecided goes to a search depth first, in which the
// last prices say what cannot become anything.
#include "splitter/search/choose.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace fard::splitter {
namespace {

constexpr int rounds = 24;
constexpr double rounding = 1e-9;

using Prices = std::array<double, Resources::kinds>;  // of the whole budget; together 1

class Chooser {
  public:
    Chooser(const Needs& layers, const Resources& budget, int steps, std::vector<std::size_t>& chosen)
        : layers_(layers), budget_(budget), steps_(steps), chosen_(chosen) {
        chosen_.assign(layers.size(), 0);
        for (std::size_t k = 0; k < Resources::kinds; ++k)
            share_[k] = 1 / static_cast<double>(std::max<std::int64_t>(1, budget.of[k]));
    }

    Fit run() {
        if (const auto answer = by_prices(); answer != Fit::unknown) return answer;
        sum_up();
        if (place(0, {}, 0)) return Fit::yes;
        return steps_ <= 0 ? Fit::unknown : Fit::no;
    }

  private:
    double cost(const Resources& need, const Prices& prices) const {
        double sum = 0;
        for (std::size_t k = 0; k < Resources::kinds; ++k)
            sum += static_cast<double>(need.of[k]) * share_[k] * prices[k];
        return sum;
    }

    // The cheapest of everything; its cost is no more than that of any choice.
    double buy(const Prices& prices, Resources& all) {
        double sum = 0;
        for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
            auto least = std::numeric_limits<double>::infinity();
            for (std::size_t i = 0; i < layers_[layer].size(); ++i)
                if (const auto now = cost(layers_[layer][i], prices); now < least) {
                    least = now;
                    chosen_[layer] = i;
                }
            sum += least;
            all += layers_[layer][chosen_[layer]];
        }
        return sum;
    }

    Fit by_prices() {
        Prices prices;
        prices.fill(1.0 / Resources::kinds);
        double dearest = 0;
        for (int round = 0; round < rounds; ++round) {
            Resources all;
            const auto sum = buy(prices, all);
            if (all.fits(budget_)) return Fit::yes;
            if (sum > 1 + rounding) return Fit::no;
            if (sum > dearest) {
                dearest = sum;
                prices_ = prices;
            }
            double together = 0;
            for (std::size_t k = 0; k < Resources::kinds; ++k) {
                const auto over = static_cast<double>(all.of[k]) * share_[k] - 1;
                prices[k] = std::max(1e-4, prices[k] * std::exp(std::clamp(over, -1.0, 1.0) * 4 / (2 + round)));
                together += prices[k];
            }
            for (auto& price : prices)
                price /= together;
        }
        return Fit::unknown;
    }

    // What the layers behind each take at least: of each resource for itself, and by the prices.
    void sum_up() {
        rest_.resize(layers_.size() + 1);
        rest_cost_.resize(layers_.size() + 1);
        for (auto i = layers_.size(); i-- > 0;) {
            auto least = layers_[i].front();
            auto cheapest = std::numeric_limits<double>::infinity();
            for (const auto& need : layers_[i]) {
                for (std::size_t k = 0; k < Resources::kinds; ++k)
                    least.of[k] = std::min(least.of[k], need.of[k]);
                cheapest = std::min(cheapest, cost(need, prices_));
            }
            rest_[i] = rest_[i + 1] + least;
            rest_cost_[i] = rest_cost_[i + 1] + cheapest;
        }
    }

    bool place(std::size_t layer, const Resources& before, double spent) {
        if (layer == layers_.size()) return true;
        if (--steps_ <= 0) return false;
        for (std::size_t i = 0; i < layers_[layer].size(); ++i) {
            const auto& need = layers_[layer][i];
            const auto sum = before + need;
            if (!(sum + rest_[layer + 1]).fits(budget_)) continue;
            const auto now = spent + cost(need, prices_);
            if (now + rest_cost_[layer + 1] > 1 + rounding) continue;
            chosen_[layer] = i;
            if (place(layer + 1, sum, now)) return true;
        }
        return false;
    }

    const Needs& layers_;
    Resources budget_;
    int steps_;
    std::vector<std::size_t>& chosen_;
    std::array<double, Resources::kinds> share_{};  // of the budget, that one of each is
    Prices prices_{};                               // the best for a proof
    std::vector<Resources> rest_;
    std::vector<double> rest_cost_;
};

}  // namespace

Fit choose(const Needs& layers, const Resources& budget, int steps, std::vector<std::size_t>& chosen) {
    return Chooser(layers, budget, steps, chosen).run();
}

}  // namespace fard::splitter
