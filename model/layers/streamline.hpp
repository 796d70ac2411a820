// What FINN's streamlining leaves of a layer view: it takes some layers into others before it makes units.
#pragma once

#include "model/layers/finn_units.hpp"

namespace fard::model {

enum class Fate : std::uint8_t {
    unit,      // becomes units
    nothing,   // only says how elements lie
    absorbed,  // into the thresholds or the LabelSelect behind it
    outside,   // of the accelerator
};

struct StreamlinedInput {
    DataType type;
    Extent2 pixels;           // of an image that FINN's units make, where the layer reads it as a vector
    bool is_shifted = false;  // a constant that is added before has been moved behind the product
};

struct Streamlined {
    std::vector<Fate> fate;  // by layer, as the next two
    std::vector<StreamlinedInput> inputs;
    std::vector<bool> absorbs_bias;  // a bias of one value for all channels, before a LabelSelect
};

// How many of the lowest bits of its sums a pool loses, where that is all that its activation does.
std::optional<int> lost_bits(const Graph& graph, const Layer& layer);

Streamlined streamline(const LayerView& view, const FinnSettings& settings);

}  // namespace fard::model
