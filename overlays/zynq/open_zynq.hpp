// The fabric of this board, opened by a job that has the rights to program it itself.
#pragma once

#include "overlays/device/device.hpp"

namespace fard {

// `access.fd` is what the node manager gave (setup_text.hpp). Errors: invalid_input, not_found, refused, io.
Result<std::unique_ptr<Device>> open_zynq_device(const DeviceAccess& access);

}  // namespace fard
