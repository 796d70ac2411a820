// Who this client is: the key directory of its user, if there is one.
#pragma once

#include <filesystem>

#include "base/result.hpp"
#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// A directory of keys, as `fard init` and `fard join` make it (mode 0700):
//   key      the own secret key
//   allowed  the keys that the cluster knows (node managers keep it up to date)
//   nodes    addresses with keys, one a line, of nodes of the cluster
std::filesystem::path key_directory();  // FARD_KEYS, else $XDG_CONFIG_HOME/fard/keys, else ~/.config/fard/keys

// With the key there, or without any where there is none. Errors: those of KeyPair::read.
Result<Identity> client_identity();

// The same address with the key that the directory knows for it, where it has none.
Address with_known_key(Address address, const std::filesystem::path& directory);

}  // namespace fard
