// The whole question: a network, boards, and so many chunks; cuts, foldings, seats, batch and orders come from it.
#pragma once

#include <optional>
#include <string>

#include "planner/arrange.hpp"
#include "splitter/search/search.hpp"

namespace fard::planner {

struct Planned {
    splitter::Plan stages;                     // which layers, how folded; boards only as far as a fabric goes
    std::vector<splitter::StageCost> costs;    // by stage
    Pipeline pipeline;
    Schedule schedule;
    Simulated simulated;
    Limit limit;
    std::optional<double> energy_j;
    double bound_s = 0;  // of the wall, by these stages, wherever they sit and however they take turns
    bool everything = false;  // every cut, folding, seat and cyclic order was tried: no plan in turns with such batches is better
                              // (false where replicas might be, of which some are tried)
};

// Seats for stages that are given: on their boards where these have slots for all, else in turns, wherever is best. Errors: refused
// (they do not fit; two replicas of a position would share a slot).
Result<Planned> plan_stages(const splitter::Network& network, const splitter::Cluster& cluster, const splitter::Plan& stages,
                            const Wish& wish);

// A network that may be cut in these places only, one stage between any two, each with so many replicas (an app's own cuts).
// Foldings are the fastest that fit. Errors: as plan_stages.
Result<Planned> plan_cuts(const splitter::Network& network, const splitter::Cluster& cluster, const std::vector<std::size_t>& replicas,
                          const Wish& wish);

// The best of all that the splitter's strategies propose, of as many stages as slots hold, or, where they hold too few, of up to
// 16 stages for each slot. What the network offers in parallel parts may be made so. Errors: refused (nothing fits; no batch keeps
// the latency), invalid_input.
struct Question {
    std::optional<std::size_t> stages;  // exactly so many
    std::optional<splitter::Strategy> strategy;  // only by this
    bool only_turns = false;                     // it is known that not every stage can have a slot of its own
    splitter::Solvers* solvers = nullptr;        // of the network, from searches before
};
Result<Planned> plan_network(const splitter::Network& network, const splitter::Cluster& cluster, const Question& question,
                             const Wish& wish);

// Boards that stand in for turns: each `copies` times, with all of their slots.
splitter::Cluster repeated(const splitter::Cluster& cluster, std::size_t copies);

}  // namespace fard::planner
