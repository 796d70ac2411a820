// FINN's own choice of folding for a target (its SetFolding pass), to compare with and to start from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "splitter/finn/estimate.hpp"

namespace fard::finn {

std::vector<std::int64_t> divisors(std::int64_t number);  // ascending

// One unit of a network. Units stand in the network's order, producers before what reads them.
struct FoldingNode {
    Unit unit;
    std::optional<std::size_t>
        producer;  // of its first input: an index into the same list; none: the network's input
    // What the network says its weights are, which may be wider than the unit's own after FINN has narrowed them.
    DataType annotated_weights;
};

struct FoldingTarget {
    std::int64_t cycles = 1;  // of one image: clock rate / images per second
    std::int64_t widest_weight_word =
        36;  // bits that a matrix unit reads for each PE; FINN's mvau_wwidth_max
    Version version = Version::main;
};

// Sets pe and simd of every unit to the least parallel choice of FINN's rules that takes fewer cycles than the target.
// Where none does, the whole network is folded once more for the slowest unit that came out. Matrix units raise SIMD over
// the divisors of their columns first, then PE over those of their rows; a depthwise unit gives its window its PE.
// Returns the cycles of the slowest unit.
std::int64_t set_folding(std::vector<FoldingNode>& nodes, const FoldingTarget& target);

}  // namespace fard::finn
