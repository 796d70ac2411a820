// A board's fabric, as its node manager keeps it.
#pragma once

#include "overlays/device/kept_device.hpp"

namespace fard {

// Adds it, where the kernel has an FPGA manager and it is known which part the board has: by the setup, or by the device tree
// where that names a board that fard knows. Without a manager there is none; where a part was given that is an error, for then
// the board was meant to have one. Errors: not_found, invalid_input (a part of another family), io.
Result<> find_zynq(const BoardSetup& setup, KeptDevices& found);

}  // namespace fard
