// oneDNN's own int8 convolutions: the second peer of bench/engine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/graph.hpp"

namespace fard::bench {

struct ConvShape {
    std::string name;      // of the node
    model::Shape in, out;  // NCHW, one image
    model::ConvAttributes attributes;
};
std::vector<ConvShape> convolutions_of(const model::Graph& graph);

// A chain of convolutions as oneDNN runs them best: u8 activations in the layout that it chooses, s8 weights, s32 bias, one scale
// for each output channel, u8 results; one thread. Weights are reordered beforehand; activations alternate between two pieces
// of memory, as they would in a network. Values are arbitrary.
class OneDnnChain {
  public:
    virtual ~OneDnnChain() = default;
    virtual double run(std::size_t layer) = 0;                // milliseconds of one call
    virtual std::string kernel(std::size_t layer) const = 0;  // oneDNN's name of it
};

// nullptr where this program was built without oneDNN, or oneDNN cannot compute a layer (why: on standard error).
std::unique_ptr<OneDnnChain> open_onednn(const std::vector<ConvShape>& layers);

}  // namespace fard::bench
