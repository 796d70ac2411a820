// Who this client is: the key directory of its user, if there is one.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.hpp"
#include "runtime/peer/key_ring.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// A directory of keys, as `fard init` and `fard join` make it (mode 0700):
//   key      the own secret key
//   allowed  the keys that the cluster knows (node managers keep it up to date)
//   nodes    addresses with keys, one a line, of nodes of the cluster
// FARD_KEYS ("none": no directory, as for a cluster without keys), else $XDG_CONFIG_HOME/fard/keys, else ~/.config/fard/keys.
std::filesystem::path key_directory();

// Errors: not_found, where FARD_KEYS names a directory that is not there.
Result<> check_key_directory();

// With the key there, or without any where there is none. Errors: not_found as above, those of KeyPair::read.
Result<Identity> client_identity();

// Keeps the list of nodes in the directory current: who answers now comes first, with the key that it has now. Nothing is
// written where nothing is new, or where there is no key.
void remember_nodes(const std::filesystem::path& directory, const std::vector<Address>& living);

// The same address with the key that the directory knows for it, where it has none.
Address with_known_key(Address address, const std::filesystem::path& directory);

// Whether this process may have the descriptors and threads that a client takes, before anything is made that needs them. Errors:
// refused, with the limit and what helps.
Result<> check_client_room();

}  // namespace fard
