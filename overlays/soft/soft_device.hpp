// The soft device: runs a package's stage.onnx on this CPU.
#pragma once

#include "overlays/device/device.hpp"

namespace fard {

// `kernels` names a row of soft::kernel_table(), "" for the best one of this processor; `threads`, from 1 on, compute a
// chunk together. Errors: not_found (the processor does not run it, or there is none of that name).
Result<std::unique_ptr<Device>> open_soft_device(const std::string& id, const std::string& kernels = {},
                                                 int threads = 1);

// Compiles the package's stage in advance, for the best kernels and one thread: the first such device that loads the package, in this
// process or in each copy that is made of it, has it at once. From any thread. Errors: those of load_stage_model().
Result<> prepare_soft_stage(const Package& package);

}  // namespace fard
