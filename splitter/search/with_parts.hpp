// The search, with parallel parts where they are of use: for layers that no board holds, and for the one that holds all back.
#pragma once

#include <functional>

#include "splitter/search/search.hpp"

namespace fard::splitter {

// Adds what the parts of a layer take to the network that is searched. False: it cannot be made in parts, or is offered so.
using OfferParts = std::function<bool(std::size_t layer)>;

// As search(). Strategies that look for the best (throughput, latency) may use parts, the others as they come. The bound is that
// of the network with the parts that were offered. `network` is what `offer` adds to.
Result<Found> search_with_parts(const Network& network, const Cluster& cluster, const Request& request, const OfferParts& offer);

bool uses_parts(Strategy strategy);
void offer_where_too_large(const Network& network, const Cluster& cluster, const OfferParts& offer);

// The layer that takes the most time of a stage: by its cycles, or with its fill.
std::size_t slowest_layer(const Network& network, const PlannedStage& stage, bool with_fill);

}  // namespace fard::splitter
