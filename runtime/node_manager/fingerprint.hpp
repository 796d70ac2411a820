// What devices this board has, before it takes any work.
#pragma once

#include <vector>

#include "overlays/device/kept_device.hpp"
#include "runtime/peer/message_parts.hpp"

namespace fard {

// Every device of this board as it tells others of it, in the order of find_devices.
std::vector<wire::DeviceState> fingerprint(const KeptDevices& devices);

}  // namespace fard
