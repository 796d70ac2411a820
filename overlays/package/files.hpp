// What the package code needs of the file system: whole files and directories that appear at once or not at
// all.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/result.hpp"

namespace fard {

// Names of package files are flat: letters, digits, '.', '_', '-', at most 100 of them, no '.' in front.
bool is_package_file_name(std::string_view name);

// Reads a regular file (links are not followed). Errors: not_found, invalid_input (no regular file, more than
// `max_bytes`), io.
Result<std::string> read_regular_file(const std::filesystem::path& file, std::uint64_t max_bytes);

// The SHA-256 of a regular file, hex, without holding it in memory. Errors as read_regular_file.
Result<std::string> sha256_of_file(const std::filesystem::path& file);

// Makes the directory `dir` with these files in it. It appears complete or not at all; it must not exist
// before. Errors: invalid_input (it exists), io.
Result<> write_directory(const std::filesystem::path& dir,
                         const std::map<std::string, std::string_view>& files);

}  // namespace fard
