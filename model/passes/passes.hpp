// The passes over a graph that has just been read: from fractions with quantizers between them to integers.
#pragma once

#include "model/draft.hpp"

namespace fard::model {

// All passes, in their order. What cannot be proven equal stays as it is: see each rule in rules.hpp.
void run_passes(Draft& draft);

}  // namespace fard::model
