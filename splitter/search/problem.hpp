// A network, a cluster, and what every search over the two asks again and again. Refers to both.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "splitter/cost/plan.hpp"
#include "splitter/search/space.hpp"
#include "splitter/search/stages.hpp"

namespace fard::splitter {

// One of several parts of what lies between a cut and the next one, as it fits a slot.
struct PartedStage {
    std::size_t cut = 0, parts = 2;
    std::vector<std::size_t> foldings;  // of each layer, as the network numbers those of its parts
    std::int64_t cycles = 0;
    double latency = 0;
};
// All that is offered and fits; by cut, parts and cycles, from few cycles to many.
std::vector<PartedStage> parted_stages(const Network& network, const Resources& budget);

// What several searches of one network have found out about its stages, by budget. The network outlives it, and its foldings stay.
class Solvers {
  public:
    std::shared_ptr<StageSolver> of(const Network& network, const Resources& budget);

  private:
    struct Known {
        Resources budget;
        std::shared_ptr<StageSolver> solver;
    };
    std::vector<Known> known_;
};

class Problem {
  public:
    // `solvers`: of this network, from searches before; may be null.
    Problem(const Network& network, const Cluster& cluster, Solvers* solvers = nullptr);

    const Network& network;
    const Cluster& cluster;
    Space space;
    StageSolver& solver(std::size_t fabric) const { return *solvers_[fabric]; }
    std::vector<std::vector<PartedStage>> parted;  // by fabric
    std::vector<std::vector<std::size_t>> part_counts;  // by cut: in how many parts what lies behind it is offered
    std::size_t most_replicas = 1;     // of a stage: as many as there are slots, unless that is changed
    bool on_processors = false;        // some layer has no folding, so stages may go to processors

    std::int64_t macs(std::size_t begin, std::size_t end) const { return macs_[end] - macs_[begin]; }  // between cuts
    // The cycles that a fabric may take for a chunk when so many replicas share them.
    std::int64_t limit(std::size_t fabric, std::size_t replicas, double period_s) const;
    // The slowest of those within a limit of cycles, or the one with the smallest latency. None: no such parts fit.
    const PartedStage* part_within(std::size_t fabric, std::size_t cut, std::size_t parts, std::int64_t limit) const;
    const PartedStage* fastest_part(std::size_t fabric, std::size_t cut, std::size_t parts) const;
    bool has_parts() const;
    double clock(std::size_t fabric) const { return cluster.boards[space.fabrics[fabric]].clock_hz; }

    // The stages of a plan: for each the placement. Boards of a kind are taken in their order.
    struct Draft {
        std::size_t begin = 0, end = 0;
        bool on_processor = false;
        std::vector<std::size_t> foldings;
        std::vector<std::size_t> slots;  // by kind
        std::size_t parts = 1;
    };
    Plan plan_of(const std::vector<Draft>& stages) const;

  private:
    std::vector<std::shared_ptr<StageSolver>> solvers_;  // by fabric
    std::vector<std::int64_t> macs_;                     // before each cut
};

}  // namespace fard::splitter
