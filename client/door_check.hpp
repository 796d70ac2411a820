// Why nobody answers at a front door: what the system itself says about the address.
#pragma once

#include <string>

namespace fard {

// "there is no socket", "user 33's, and you may not open it", "the connection is refused: nobody listens at that port" ...
// Blocks, for about a second at most. `door` is ipc://PATH or tcp://HOST:PORT.
std::string why_silent(const std::string& door);

}  // namespace fard
