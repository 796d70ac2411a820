// From what a file says to the typed graph.
#pragma once

#include "base/result.hpp"
#include "model/draft.hpp"
#include "model/raw_graph.hpp"

namespace fard::model {

// Sorts, types and folds constants; the passes (model/passes) come after it. Takes the constants out of
// `raw`. Errors: corrupt (cycles, tensors made twice or never), invalid_input (operands, attributes,
// annotations that do not fit), unsupported (operators, types, sizes); each names the node.
Result<Draft> build_graph(RawGraph raw);

}  // namespace fard::model
