// What is left of root's rights once the board's devices are found.
#pragma once

#include "runtime/node_manager/config.hpp"

namespace fard {

// Goes on as the configuration's `user`, for good and in every thread; directories that are missing become that user's. Nothing
// where none is named. Errors: invalid_input (no such user), refused (only root can), io.
Result<> give_up_rights(const Config& config);

}  // namespace fard
