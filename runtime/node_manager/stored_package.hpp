// What is done to one package on a disk. Each call reads or writes all of it: for a worker, not for a loop.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "overlays/package/archive_layout.hpp"
#include "runtime/node_manager/disk.hpp"

namespace fard {

using FileSizes = std::map<std::string, std::uint64_t>;  // by name, the manifest's too

// Reads every byte of the package and holds it against its id. Errors: corrupt (which file), io.
Result<FileSizes> verify_package(Disk& disk, const Disk::Path& dir, const std::string& id);

// Makes the directory `dir` of the archive `part` of `total` bytes, verified. What it made meanwhile, `dir`.new, is removed on an error. Errors: corrupt, io.
Result<FileSizes> unpack_package(Disk& disk, const Disk::Path& part, std::uint64_t total, const std::string& id,
                                 const Disk::Path& dir);

// Waits until the package would outlive a power loss. Errors: io.
Result<> keep_package(Disk& disk, const Disk::Path& dir, const FileSizes& files);

}  // namespace fard
