// Constants: their element types, and the operators that yield nothing but constants.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

// Gives a constant its type: `annotated` (nullptr: none) if it holds all values, else the narrowest that
// does; FLOAT32 where a value is a fraction. An annotation that fard does not know says nothing.
Tensor typed_constant(RawTensor raw, const std::string* annotated);

// The tensor of a Constant node. Errors: unsupported, invalid_input.
Result<RawTensor> read_constant_node(const RawNode& node);

}  // namespace fard::model
