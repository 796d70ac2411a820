// A network, a cluster, and what every search over the two asks again and again. Refers to both.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "splitter/cost/plan.hpp"
#include "splitter/search/space.hpp"
#include "splitter/search/stages.hpp"

namespace fard::splitter {

class Problem {
  public:
    Problem(const Network& network, const Cluster& cluster);

    const Network& network;
    const Cluster& cluster;
    Space space;
    std::vector<StageSolver> solvers;  // by fabric
    bool on_processors = false;        // some layer has no folding, so stages may go to processors

    std::int64_t macs(std::size_t begin, std::size_t end) const { return macs_[end] - macs_[begin]; }  // between cuts
    // The cycles that a fabric may take for a chunk when so many replicas share them.
    std::int64_t limit(std::size_t fabric, std::size_t replicas, double period_s) const;
    // The stage with the smallest latency; remembered. `exact` becomes false where that is not sure.
    const std::optional<StageSolver::Solution>& fastest(std::size_t fabric, std::size_t begin, std::size_t end, bool& exact);
    double clock(std::size_t fabric) const { return cluster.boards[space.fabrics[fabric]].clock_hz; }

    // The stages of a plan: for each the placement. Boards of a kind are taken in their order.
    struct Draft {
        std::size_t begin = 0, end = 0;
        bool on_processor = false;
        std::vector<std::size_t> foldings;
        std::vector<std::size_t> slots;  // by kind
    };
    Plan plan_of(const std::vector<Draft>& stages) const;

  private:
    struct Fastest {
        std::optional<StageSolver::Solution> solution;
        bool exact = true;
    };
    std::vector<std::int64_t> macs_;  // before each cut
    std::map<std::array<std::size_t, 3>, Fastest> fastest_;
};

}  // namespace fard::splitter
