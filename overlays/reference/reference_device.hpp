// The reference device: the model's reference interpreter, slow, the definition of right.
#pragma once

#include "overlays/device/device.hpp"

namespace fard {

std::unique_ptr<Device> open_reference_device(const std::string& id);

}  // namespace fard
