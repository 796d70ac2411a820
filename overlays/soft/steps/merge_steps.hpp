// Steps that make one tensor of several: requantized sums, concatenation.
#pragma once

#include <optional>

#include "overlays/soft/step.hpp"
#include "overlays/soft/steps/elementwise_steps.hpp"
#include "overlays/soft/storage.hpp"

namespace fard::soft {

// Requantize of any number of operands, all of the output's shape. `axis` of the attributes must be the last dimension
// in memory, or -1; nothing otherwise, and where the output is not bytes. The attributes must outlive the step.
StepPtr make_requantize_step(const model::RequantizeAttributes& attributes, std::vector<Source> sources,
                             BufferId out_buffer, const Storage& out, bool axis_is_last);

// A part of every row of the output (the last dimension in memory), from element `first` on.
struct Piece {
    Source source;
    std::size_t first = 0;
};
// Copies pieces to their places; all have the output's kind and base. What no piece covers is left as it is.
StepPtr make_concat_step(std::vector<Piece> pieces, BufferId out_buffer, const Storage& out);

}  // namespace fard::soft
