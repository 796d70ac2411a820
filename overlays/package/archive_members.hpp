// A package archive in memory, before anything of it touches a disk. Internal to archive.cpp and the fuzzer.
#pragma once

#include "overlays/package/package.hpp"

namespace fard {

using ArchiveMembers = std::map<std::string, std::string>;  // file name -> content

// The members, each a plain file with a plain name, none twice. Errors: corrupt.
Result<ArchiveMembers> read_archive_members(std::string_view bytes);

// Holds members against the id and the manifest; afterwards they are exactly the package's files. Errors:
// corrupt, and those of Manifest::parse.
Result<Manifest> verify_archive_members(const ArchiveMembers& members, const std::string& id);

}  // namespace fard
