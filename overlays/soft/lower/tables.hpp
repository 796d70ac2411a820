// Operators that have no faster step, whatever their elements and broadcasts are.
#pragma once

#include "overlays/soft/lower/elementwise.hpp"

namespace fard::soft {

// Nothing where the operator is none of these.
StepPtr lower_tables(const Surroundings& around, const model::Node& node, BufferId out_buffer);

}  // namespace fard::soft
