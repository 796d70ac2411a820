// What is left of root's rights to the board helper.
#pragma once

#include "base/result.hpp"

namespace fard::helper {

// Gives up, for good and for what it starts, every capability but the one that the helper's work takes:
//
//   writes the manager's, the clocks' and configfs' files, firmware, record and lock   as their owner, root
//   opens UIO devices and DMA memory, maps registers                                   as their owner, root
//   reads packages, which lie in a directory of the node manager's user alone          CAP_DAC_READ_SEARCH
//
// Nor does it gain any by starting a program, or show its memory to others. Call it first thing, with one thread. Whoever has
// no capabilities keeps none. Errors: io.
Result<> confine();

}  // namespace fard::helper
