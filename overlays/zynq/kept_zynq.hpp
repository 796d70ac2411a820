// A board's fabric, as its node manager keeps it.
#pragma once

#include "overlays/device/kept_device.hpp"

namespace fard {

// Adds it, where the kernel has an FPGA manager and the setup says which part the board has. A kernel without one is no
// error, but where a part was given it is: then the board was meant to have a fabric.
Result<> find_zynq(const BoardSetup& setup, KeptDevices& found);

}  // namespace fard
