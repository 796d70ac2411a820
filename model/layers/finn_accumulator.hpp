// How wide FINN makes the accumulators of a matrix unit.
#pragma once

#include "model/layers/layers.hpp"

namespace fard::model {

// A signed type wherever something is negative, wide enough for either sign.
DataType finn_accumulator(const Graph& graph, const Layer& layer, DataType inputs);
// The same for the worst weights of their type.
DataType widest_finn_accumulator(const Layer& layer, DataType inputs);
// What leaves the accelerator has whole bytes.
DataType whole_bytes(DataType integers);

// Whether a weight has the lowest value that the type of the weights has.
bool reaches_lowest(const Graph& graph, const Layer& layer);

}  // namespace fard::model
