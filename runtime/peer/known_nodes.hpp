// The addresses of a cluster's boards, one "ENDPOINT" or "ENDPOINT#KEY" a line in the file `nodes`: beside a key, and in the
// directory of a local cluster.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.hpp"
#include "runtime/peer/endpoint.hpp"

namespace fard {

// Lines that are no addresses are passed over; no file is no nodes.
std::vector<Address> known_nodes(const std::filesystem::path& directory);
Result<> write_nodes(const std::filesystem::path& directory, const std::vector<Address>& nodes);  // errors: io

}  // namespace fard
