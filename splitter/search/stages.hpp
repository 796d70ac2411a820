// What one fabric can hold: foldings for the layers between two cuts, within a budget.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "splitter/network.hpp"
#include "splitter/search/choose.hpp"

namespace fard::splitter {

// Answers for one network and one budget. Foldings that another of the same layer is not worse than in anything are left
// out. Not for several threads at once.
class StageSolver {
  public:
    StageSolver(const Network& network, const Resources& budget);
    StageSolver(StageSolver&&) = default;

    struct Solution {
        std::vector<std::size_t> foldings;  // of each layer, as the network numbers them
        std::int64_t cycles = 0;
        double latency = 0;  // cycles: those of the slowest, once and for each lead, and the fill of all
    };

    // For each cut the last cut that a stage from it can reach where no layer takes more than `limit` cycles (the cut
    // itself: none). `possible`: where that cannot be decided in time, what it surely does not exceed.
    struct Reach {
        std::vector<std::size_t> surely, possibly;
    };
    const Reach& reach(std::int64_t limit);  // remembered

    // The layers between two cuts with at most `limit` cycles, in few resources. None: not found.
    std::optional<Solution> fit(std::size_t begin, std::size_t end, std::int64_t limit);

    // The same with the smallest latency, about; remembered. `exact` becomes false where the search for it was given up.
    const std::optional<Solution>& fastest(std::size_t begin, std::size_t end, bool& exact);

    // By the cuts behind `begin`: a latency in cycles that no stage from there to it can go below; as far as any may fit.
    std::vector<double> latency_bounds(std::size_t begin);

    // The least share of the budget that the scarcest resource takes, about: of the foldings that take the least.
    double least_share(std::size_t begin, std::size_t end);

    // The smallest cycles that any folding of a layer has. None: the layer has no folding that fits alone.
    std::optional<std::int64_t> fewest_cycles(std::size_t layer) const;

  private:
    static constexpr std::size_t weightings = 1 + Resources::kinds;  // all resources alike, and each of them first
    static constexpr std::size_t price_weightings = 3, prices = 3;

    struct Option {
        std::size_t number = 0;  // in the network
        Resources need;
        std::int64_t cycles = 0, fill = 0;
        std::array<double, weightings> weights{};  // how much of the budget it takes, by each weighting
        std::array<double, price_weightings> shares{};  // the same, as each price weighs it
    };
    // The foldings of a layer with at most so many cycles.
    struct Within {
        std::int64_t cycles = 0, fill = 0;           // fill: the least
        Resources least;                             // of each resource for itself
        std::array<std::size_t, weightings> pick{};  // by weighting: the lightest
        std::array<double, price_weightings> share{};  // of the budget: the least, as each price weighs it
        std::vector<Resources> needs;      // without those of no use, and which they are: once they are asked for
        std::vector<std::size_t> places;
    };
    // Those of all layers within a limit of cycles, and sums over the layers before each.
    struct Limited {
        std::vector<Within*> layers;       // null: no folding
        std::vector<std::size_t> blocked;  // how many layers before have none
        std::vector<Resources> least;
        std::array<std::vector<Resources>, weightings> picked;
    };

    // Limits of cycles from few to many, each with how far stages reach within it.
    struct Rung {
        std::int64_t limit = 0, least = 0;  // the least cycles beyond the rung before
        const Reach* reach = nullptr;
        std::vector<double> fill;  // over the layers with fill before: the least of each within the limit
        // With a price on resources: fill and price of what those choose then, by weighting and price; and over the layers
        // before the least shares of the budget of all others, by weighting.
        std::array<std::vector<double>, price_weightings * prices> priced;
        std::array<std::vector<double>, price_weightings> shares;
    };
    struct Fastest {
        std::optional<Solution> solution;
        bool exact = true;
    };
    Fastest find_fastest(std::size_t begin, std::size_t end);
    std::array<double, price_weightings> shares_of(const Resources& need) const;
    void price(Rung& rung) const;
    double latency_bound(std::size_t begin, std::size_t end, std::size_t rung);  // rungs before that one do not reach it
    double least_fill(const Rung& rung, std::size_t first, std::size_t end) const;
    void spend_on_fill(std::size_t first, std::int64_t limit, std::vector<std::size_t>& chosen) const;
    const std::vector<Rung>& ladder();
    void find_reaches(std::size_t first, std::size_t end);  // of these rungs
    double images(std::size_t first, std::size_t end) const { return 1 + leads_[end] - leads_[first]; }
    Solution solution_of(std::size_t first, const std::vector<std::size_t>& options) const;

    void drop_dominated(std::size_t layer);
    void sort_by_cycles(std::size_t layer);
    std::int64_t same_as(std::int64_t limit) const;  // the least that lets the same foldings pass
    void limit_to(std::int64_t limit);
    Limited limited(std::int64_t limit);
    void list(std::size_t layer, Within& within) const;
    Reach find_reach(const Reach* below, const Reach* above);  // those of the nearest limits that are known; null: none
    std::optional<std::size_t> picked_fit(std::size_t first, std::size_t end) const;  // a weighting that fits
    bool least_fits(std::size_t first, std::size_t end) const;
    Fit fits(std::size_t first, std::size_t end, std::vector<std::size_t>* options, int steps);
    bool fit_within(std::size_t begin, std::size_t end, std::vector<std::size_t>& options);  // between cuts
    Fit fit_among(std::size_t begin, std::size_t end, std::size_t from, std::size_t to, std::vector<std::size_t>& options);

    const Network& network_;
    Resources budget_;
    std::vector<std::vector<Option>> options_;  // by layer
    std::vector<std::vector<Within>> within_;   // by layer, from few cycles to many
    std::vector<std::int64_t> limits_;          // the cycles of all options, ascending
    std::vector<double> leads_;                 // over the layers before
    std::vector<std::size_t> with_fill_;        // layers of which some folding has fill
    std::vector<std::size_t> fills_before_;     // how many of those are before each layer
    std::vector<Rung> ladder_;
    std::map<std::int64_t, Limited> known_;     // by limit
    std::map<std::int64_t, Reach> reaches_;     // by limit
    std::vector<std::vector<std::optional<Fastest>>> fastest_;  // by begin and stages between
    const Limited* now_ = nullptr;
    std::int64_t limit_ = 0;                    // of `now_`
};

}  // namespace fard::splitter
