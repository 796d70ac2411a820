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
        for (const auto& options : layers) {
            first_.push_back(shares_.size());
            for (const auto& need : options) {
                auto& shares = shares_.emplace_back();
                for (std::size_t k = 0; k < Resources::kinds; ++k)
                    shares[k] = static_cast<double>(need.of[k]) * share_[k];
            }
        }
    }

    Fit run() {
        if (const auto answer = by_prices(); answer != Fit::unknown) return answer;
        open();
        if (place(0, {}, 0)) return Fit::yes;
        return steps_ <= 0 ? Fit::unknown : Fit::no;
    }

  private:
    double cost(std::size_t layer, std::size_t option, const Prices& prices) const {
        const auto& shares = shares_[first_[layer] + option];
        double sum = 0;
        for (std::size_t k = 0; k < Resources::kinds; ++k)
            sum += shares[k] * prices[k];
        return sum;
    }

    // The cheapest of everything; its cost is no more than that of any choice.
    double buy(const Prices& prices, Resources& all) {
        double sum = 0;
        for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
            auto least = std::numeric_limits<double>::infinity();
            for (std::size_t i = 0; i < layers_[layer].size(); ++i)
                if (const auto now = cost(layer, i, prices); now < least) {
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
        for (int round = 0; round < rounds; ++round) {
            Resources all;
            const auto sum = buy(prices, all);
            if (all.fits(budget_)) return Fit::yes;
            if (sum > 1 + rounding) return Fit::no;
            if (sum > dearest_) {
                dearest_ = sum;
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

    // What each layer may still have: no option that costs more, beside the cheapest of all others, than the budget. Layers with a
    // choice come first, those where it matters most before.
    void open() {
        std::vector<Open> all(layers_.size());
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            auto& open = all[i];
            open.layer = i;
            for (std::size_t o = 0; o < layers_[i].size(); ++o)
                open.options.push_back({cost(i, o, prices_), o, {}, {}});
            std::ranges::stable_sort(open.options, {}, &Priced::cost);
            const auto most = open.options.front().cost + 1 + rounding - dearest_;
            while (open.options.back().cost > most)
                open.options.pop_back();
            open.least = layers_[i][open.options.front().option];
            auto largest = open.least;
            for (const auto& option : open.options)
                for (std::size_t k = 0; k < Resources::kinds; ++k) {
                    open.least.of[k] = std::min(open.least.of[k], layers_[i][option.option].of[k]);
                    largest.of[k] = std::max(largest.of[k], layers_[i][option.option].of[k]);
                }
            for (std::size_t k = 0; k < Resources::kinds; ++k)
                open.matters = std::max(open.matters, static_cast<double>(largest.of[k] - open.least.of[k]) * share_[k]);
        }
        std::ranges::stable_sort(all, std::ranges::greater(), [](const Open& open) { return std::pair(open.options.size() > 1, open.matters); });
        open_ = std::move(all);
        rest_.resize(open_.size() + 1);
        for (auto i = open_.size(); i-- > 0;) {
            const auto& cheapest = open_[i].options.front();
            rest_[i] = rest_[i + 1];
            rest_[i].least += open_[i].least;
            rest_[i].cheapest += layers_[open_[i].layer][cheapest.option];
            rest_[i].cost += cheapest.cost;
            for (auto& option : open_[i].options) {
                option.need = layers_[open_[i].layer][option.option];
                option.least = option.need + rest_[i + 1].least;
            }
        }
    }

    bool place(std::size_t i, const Resources& before, double spent) {
        if ((before + rest_[i].cheapest).fits(budget_)) {
            for (; i < open_.size(); ++i)
                chosen_[open_[i].layer] = open_[i].options.front().option;
            return true;
        }
        if (i == open_.size() || open_[i].options.size() == 1 || --steps_ <= 0) return false;
        for (const auto& option : open_[i].options) {
            const auto now = spent + option.cost;
            if (now + rest_[i + 1].cost > 1 + rounding) return false;
            if (!(before + option.least).fits(budget_)) continue;
            chosen_[open_[i].layer] = option.option;
            if (place(i + 1, before + option.need, now)) return true;
        }
        return false;
    }

    struct Priced {
        double cost = 0;
        std::size_t option = 0;
        Resources need, least;  // least: with those of all layers behind it
    };
    struct Open {
        std::size_t layer = 0;
        std::vector<Priced> options;  // cheapest first
        Resources least;              // of each resource for itself
        double matters = 0;           // the largest share of the budget that the choice decides on
    };
    struct Rest {  // of the layers from one on
        Resources least, cheapest;
        double cost = 0;
    };

    const Needs& layers_;
    Resources budget_;
    int steps_;
    std::vector<std::size_t>& chosen_;
    std::array<double, Resources::kinds> share_{};  // of the budget, that one of each is
    std::vector<std::array<double, Resources::kinds>> shares_;  // of all options, layer by layer
    std::vector<std::size_t> first_;                            // of each layer
    Prices prices_{};     // the best for a proof
    double dearest_ = 0;  // what the cheapest of everything costs by these
    std::vector<Open> open_;
    std::vector<Rest> rest_;
};

}  // namespace

Fit choose(const Needs& layers, const Resources& budget, int steps, std::vector<std::size_t>& chosen) {
    return Chooser(layers, budget, steps, chosen).run();
}

}  // namespace fard::splitter
