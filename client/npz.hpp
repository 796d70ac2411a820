// NumPy's .npz files: several arrays by name, in a ZIP archive of .npy files.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/npy.hpp"
#include "base/result.hpp"

namespace fard {

// Errors, naming the file: not_found, io; corrupt (no ZIP archive, cut short, more than 2^31 bytes of arrays, no array);
// those of parse_npy.
Result<std::map<std::string, NpyArray>> read_npz(const std::filesystem::path& file);
Result<std::map<std::string, NpyArray>> parse_npz(std::string_view bytes, const std::string& where);

// Puts .npy files that lie on disk into one archive, each under its name; the archive is there whole or not at all.
// Errors: io.
Result<> write_npz(const std::filesystem::path& file,
                   const std::map<std::string, std::filesystem::path>& arrays);

}  // namespace fard
