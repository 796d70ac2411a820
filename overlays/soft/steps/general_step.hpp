// The way for every operator that has no step of its own: the reference interpreter, node by node. Slow; it
// allocates.
#pragma once

#include <optional>

#include "model/reference.hpp"
#include "overlays/soft/step.hpp"
#include "overlays/soft/storage.hpp"

namespace fard::soft {

// One operand: a constant (owned by the graph), or a buffer.
struct Operand {
    const model::Values* constant = nullptr;
    BufferId buffer = 0;
    Storage storage;
};

// `view` refers to the graph, which must outlive the step.
StepPtr make_general_step(model::NodeView view, std::vector<Operand> operands, BufferId out_buffer,
                          const Storage& out);

// Writes values that are known beforehand.
StepPtr make_constant_step(const model::Values& values, BufferId out_buffer, const Storage& out);

}  // namespace fard::soft
