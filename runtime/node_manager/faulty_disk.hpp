// The disk of an emulated board that is to do something wrong (overlays/emulated/faults.hpp): what comes in cannot be stored, or
// what is read is not what was written.
#pragma once

#include <memory>
#include <vector>

#include "overlays/emulated/faults.hpp"
#include "runtime/node_manager/disk.hpp"

namespace fard {

// `disk` itself where none of the faults is one of a disk.
std::unique_ptr<Disk> with_faults(std::unique_ptr<Disk> disk, const std::vector<EmulatedFault>& faults);

}  // namespace fard
