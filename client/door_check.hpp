// Why nobody answers at a front door: what the system itself says about the address, and who listens there about itself.
#pragma once

#include <string>

#include "runtime/peer/endpoint.hpp"

namespace fard {

// "there is no socket", "user 33's, and you may not open it", "the connection is refused: nobody listens at that port",
// "a node manager with keys is there, and there are none here: `fard join` gets some" ... Blocks, for about a second at most.
std::string why_silent(const Address& door);

// Whether this machine has the address of a tcp endpoint.
bool is_own_address(const Endpoint& endpoint);

// Whether the machine is there and refuses at once. Blocks, for less than a second.
bool nobody_listens(const Endpoint& door);

}  // namespace fard
