// The soft device: runs a package's stage.onnx on this CPU.
#pragma once

#include "overlays/device/device.hpp"

namespace fard {

// `kernels` names a row of soft::kernel_table(), "" for the best one of this processor; `threads`, from 1 on, compute a
// chunk together. Errors: not_found (the processor does not run it, or there is none of that name).
Result<std::unique_ptr<Device>> open_soft_device(const std::string& id, const std::string& kernels = {},
                                                 int threads = 1);

}  // namespace fard
