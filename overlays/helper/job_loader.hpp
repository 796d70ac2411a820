// The fabric as a job has it: loaded by the board helper, reached through the descriptors that it hands out.
#pragma once

#include <memory>

#include "base/owned_fd.hpp"
#include "overlays/zynq/zynq_device.hpp"

namespace fard::helper {

// `session`: the job's end, which stays the caller's.
std::unique_ptr<zynq::Loader> session_loader(int session);

}  // namespace fard::helper
