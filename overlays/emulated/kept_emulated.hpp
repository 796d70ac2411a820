// An emulated board's fabric, as its node manager keeps it.
#pragma once

#include "overlays/device/kept_device.hpp"

namespace fard {

// Adds it, where the setup says that the board is an emulated one.
Result<> find_emulated(const BoardSetup& setup, KeptDevices& found);

}  // namespace fard
