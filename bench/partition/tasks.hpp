// Networks and boards for bench/partition.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.hpp"
#include "bench/partition/partition.hpp"

namespace fard::partition {

// Real networks (those of tools/bench_networks.py that are in the directory, and the tree's own), then drawn ones of more and more
// layers. Each layer has the folding that `throughput` chooses for so many boards.
Result<std::vector<Task>> tasks(const std::filesystem::path& source, const std::filesystem::path& networks);

}  // namespace fard::partition
