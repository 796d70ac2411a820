// Steps that put elements into other places, whatever operator says where.
#pragma once

#include "model/reference.hpp"
#include "overlays/soft/step.hpp"
#include "overlays/soft/storage.hpp"

namespace fard::soft {

// For a node of one operand that only moves elements; both sides have the same elements. Nothing for images so large that the list
// of places would be too long.
StepPtr make_move_step(const model::NodeView& view, BufferId in_buffer, const Storage& in,
                       BufferId out_buffer, const Storage& out);

}  // namespace fard::soft
