// What is done to one package on a disk. Each call reads or writes all of it: for a worker, not for a loop.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "overlays/package/archive_layout.hpp"
#include "runtime/node_manager/disk.hpp"

namespace fard {

using FileSizes = std::map<std::string, std::uint64_t>;  // by name, the manifest's too

// How large each file of a package is and when it was changed: as long as that is the same, so is what is in it.
using FileStates = std::map<std::string, std::pair<std::uint64_t, std::int64_t>>;
FileStates states_of(Disk& disk, const Disk::Path& dir);  // empty where it cannot be read

using Signers = std::vector<std::string>;  // whose packages are taken (overlays/package/signature.hpp); empty: everybody's

// Reads every byte of the package and holds it against its id. Errors: corrupt (which file), refused (nobody of `signers`
// signed it), io.
Result<FileSizes> verify_package(Disk& disk, const Disk::Path& dir, const std::string& id, const Signers& signers = {});

// Makes the directory `dir` of the archive `part` of `total` bytes, verified. What it made meanwhile, `dir`.new, is removed on an error. Errors: corrupt, refused, io.
Result<FileSizes> unpack_package(Disk& disk, const Disk::Path& part, std::uint64_t total, const std::string& id,
                                 const Disk::Path& dir, const Signers& signers = {});

// Waits until the package would outlive a power loss. Errors: io.
Result<> keep_package(Disk& disk, const Disk::Path& dir, const FileSizes& files);

}  // namespace fard
