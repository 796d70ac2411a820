// The addresses of a keyed cluster's boards, as they lie beside a key: one "ENDPOINT#KEY" a line in the file `nodes`.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.hpp"
#include "runtime/peer/endpoint.hpp"

namespace fard {

// Lines that are no addresses are passed over; no file is no nodes.
std::vector<Address> known_nodes(const std::filesystem::path& key_directory);
Result<> write_nodes(const std::filesystem::path& key_directory, const std::vector<Address>& nodes);  // errors: io

}  // namespace fard
