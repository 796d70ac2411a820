// Functions one behind the other, from bytes to bytes: one table of what each byte becomes.
#pragma once

#include "overlays/soft/lower/elementwise.hpp"

namespace fard::soft {

struct FoundChain {
    StepPtr step;
    model::TensorId output = 0;
    std::vector<const model::Node*> joined;  // all but the first
};

// Nothing where `node` makes bytes itself (other steps are faster there), or no bytes are made behind it.
std::optional<FoundChain> lower_chain(const Surroundings& around, const model::Node& node, BufferId out_buffer);

}  // namespace fard::soft
