// Where a network can be cut.
#pragma once

#include <limits>

#include "model/layers/layers.hpp"

namespace fard::model {

struct LegalCut {
    std::size_t after = 0;  // the last layer before it; layers 0 .. after lie before it
    // Layer `after` is cut itself: its activation lies behind the cut. Only where asked for.
    bool before_activation = false;
    std::vector<TensorId>
        tensors;            // all that cross it, ascending: handed on by whoever computes what is before
    std::size_t bytes = 0;  // of these on the wire
};

enum class CutInside : std::uint8_t { never, before_activations };

// All of them that no more than `most_tensors` cross, in the order of the layers; never behind the last layer. No tensor
// within a group that stands for one operator of the model crosses a cut. Takes time linear in the graph and in what it
// returns.
std::vector<LegalCut> legal_cuts(const LayerView& view, CutInside inside = CutInside::never,
                                 std::size_t most_tensors = std::numeric_limits<std::size_t>::max());

}  // namespace fard::model
