// Which networks need the reference's sums to the last bit.
#pragma once

#include "model/graph.hpp"

namespace fard::model {

// Whether something that jumps (a quantizer, a comparison, Floor, ...) follows from a product of fractions: then the smallest
// difference in a sum could become a whole step.
bool needs_exact_fractions(const Graph& graph);

}  // namespace fard::model
