// What lets one newcomer into a cluster with keys, once: a line that is handed on.
#pragma once

#include <string>

#include "base/result.hpp"
#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/keys.hpp"

namespace fard {

struct JoinTicket {
    Address door;         // of the node manager that issued it
    std::string cluster;  // id
    KeyPair keys;         // good for one JOIN
    Role role;            // what its bearer becomes; the node manager knows for itself

    std::string text() const;  // one line
    // Errors: invalid_input.
    static Result<JoinTicket> parse(const std::string& line);
};

}  // namespace fard
