// Whole files into memory, with errors that name the file and say what to do.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace fard {

// Errors: not_found (no such file), invalid_input (a directory, or larger than `most_bytes`), io (cannot be
// read).
Result<std::string> read_whole_file(const std::filesystem::path& file, std::size_t most_bytes);

}  // namespace fard
