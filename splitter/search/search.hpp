// The best plan by a strategy, and how sure it is that there is none better.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "splitter/cost/plan.hpp"

namespace fard::splitter {

class Solvers;

enum class Strategy {
    occupancy,   // each board as full as it gets, in order (Hannoun et al., GRETSI)
    traffic,     // the cuts that the fewest bytes cross (BNNsplit)
    balance,     // the fullest stage as empty as possible (FARD 2020; Mageiropoulos et al.)
    throughput,  // the shortest period there is
    latency,     // the shortest way of one chunk there is
};
const std::vector<std::string>& strategy_names();  // in this order
std::optional<Strategy> strategy_of(std::string_view name);
std::string_view name_of(Strategy strategy);

struct Request {
    Strategy strategy = Strategy::throughput;
    std::optional<std::size_t> stages;  // exactly so many; none: occupancy, throughput and latency as many as is best,
                                        // traffic and balance one for each slot
    bool replicas = true;               // a stage may be on several slots
    Solvers* solvers = nullptr;         // of the network, from searches before
};

// `bound` is of the same kind as what the strategy makes small (latency: seconds of one chunk; all others: the period): no
// plan can be below it. Equal to the value where that is proven to be the best.
struct Found {
    Plan plan;
    Evaluation cost;
    double bound_s = 0;

    double value_s(Strategy strategy) const { return strategy == Strategy::latency ? cost.latency_s : cost.period_s; }
};

// Errors: invalid_input (the network or the request cannot be: what is wrong with it), refused (no plan fits).
Result<Found> search(const Network& network, const Cluster& cluster, const Request& request);

// What a network must be: at least one layer, cuts that ascend from no layer to all of them, foldings with cycles above 0.
Result<> check_network(const Network& network);

}  // namespace fard::splitter
