// The search: labels at the network's cuts. A label is a plan for the layers before its cut; one that another is not worse
// than in anything that matters for the rest is dropped. Where no label had to be dropped for their number, the answer is
// the best there is.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>

#include "splitter/search/problem.hpp"

namespace fard::splitter {

// What makes a plan better: the policy of a strategy.
class SlotPrices;

struct Question {
    enum class Least {
        slots,    // of plans that keep the period
        latency,  // of one chunk; one replica of each stage
        bytes,    // at all cuts together
        share,    // of the scarcest resource of the fullest stage
        worst,    // of what `of_stage` says of each stage, the largest
    };
    Least least = Least::slots;
    std::function<double(std::size_t begin, std::size_t end)> of_stage;  // between two cuts
    double period_s = std::numeric_limits<double>::infinity();  // no load is larger
    std::optional<std::size_t> stages;                          // exactly so many
    std::size_t replicas = 1;                                   // of one stage, at most
    bool parts = false;                                         // what is offered in parallel parts may be made so
    std::size_t labels = 2000;                                  // at one cut, at most
    // For latency: what is sure not to come below `known_s` is left out, and of too many labels those that promise least go.
    const SlotPrices* prices = nullptr;
    double known_s = std::numeric_limits<double>::infinity();
};

struct Answer {
    std::optional<Plan> plan;
    double value = 0;
    bool complete = true;  // nothing was given up: without a plan there is none, and none is better
};

Answer search_labels(Problem& problem, const Question& question);

}  // namespace fard::splitter
