// Finds steps for operators over fractions: convolutions and matrix products with constant weights, pools, and operators that work
// element by element or row by row.
#pragma once

#include "overlays/soft/lower_elementwise.hpp"

namespace fard::soft {

// Nothing where `node` is another operator, or of a form that no step has. `out_buffer` is for the output.
std::optional<FoundElementwise> lower_floats(const Surroundings& around, const model::Node& node,
                                             BufferId out_buffer);

}  // namespace fard::soft
