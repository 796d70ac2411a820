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
    Reach reach(std::int64_t limit);

    // The layers between two cuts with at most `limit` cycles, in few resources. None: not found.
    std::optional<Solution> fit(std::size_t begin, std::size_t end, std::int64_t limit);

    // The same with the smallest latency, about. `exact` becomes false where the search for it was given up after `steps`.
    std::optional<Solution> fastest(std::size_t begin, std::size_t end, int steps, bool& exact);

    // A latency in cycles that no stage there can go below; infinite where none fits.
    double latency_bound(std::size_t begin, std::size_t end);

    // The least share of the budget that the scarcest resource takes, about: of the foldings that take the least.
    double least_share(std::size_t begin, std::size_t end);

    // The smallest cycles that any folding of a layer has. None: the layer has no folding that fits alone.
    std::optional<std::int64_t> fewest_cycles(std::size_t layer) const;

  private:
    struct Option {
        std::size_t number = 0;  // in the network
        Resources need;
        std::int64_t cycles = 0, fill = 0;
        std::array<double, 1 + Resources::kinds> weights{};  // how much of the budget it takes, by each weighting
    };
    // The foldings within a limit of cycles, and sums over the layers before each.
    struct Limited {
        std::vector<std::size_t> blocked;            // how many layers before have no folding
        std::vector<Resources> least;                // the least of each resource for itself
        std::vector<std::vector<std::size_t>> pick;  // by weighting, by layer: an option
        std::vector<std::vector<Resources>> picked;  // by weighting: sums of those
        std::vector<std::vector<Resources>> needs;   // by layer: what its options take, without those of no use, and which they are
        std::vector<std::vector<std::size_t>> places;
    };

    // Limits of cycles from few to many, each with how far stages reach within it.
    struct Rung {
        std::int64_t limit = 0, least = 0;  // the least cycles beyond the rung before
        Reach reach;
        std::vector<double> fill;  // over the layers before: the least of each within the limit
        // The same with a price on resources: what the whole budget is worth, and sums of fill and price over the layers before.
        struct Priced {
            double budget = 0;
            std::vector<double> sum;
        };
        std::vector<Priced> priced;
    };
    void price(Rung& rung) const;
    double least_fill(const Rung& rung, std::size_t first, std::size_t end) const;
    void spend_on_fill(std::size_t first, std::int64_t limit, std::vector<std::size_t>& chosen) const;
    const std::vector<Rung>& ladder();
    double images(std::size_t first, std::size_t end) const { return 1 + leads_[end] - leads_[first]; }
    Solution solution_of(std::size_t first, const std::vector<std::size_t>& options) const;

    void limit_to(std::int64_t limit);
    Limited limited(std::int64_t limit) const;
    void list_within(std::int64_t limit, std::size_t layer, Limited& now) const;
    std::vector<std::int64_t> limits(std::size_t first, std::size_t end) const;  // of cycles, worth trying
    std::optional<std::size_t> picked_fit(std::size_t first, std::size_t end) const;  // a weighting that fits
    bool least_fits(std::size_t first, std::size_t end) const;
    Fit fits(std::size_t first, std::size_t end, std::vector<std::size_t>* options);

    const Network& network_;
    Resources budget_;
    std::vector<std::vector<Option>> options_;  // by layer
    std::vector<double> leads_;  // over the layers before
    std::vector<Rung> ladder_;
    std::map<std::int64_t, Limited> known_;     // by limit
    const Limited* now_ = nullptr;
};

}  // namespace fard::splitter
