// The file that an array is written to, looked at before anything is started.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace fard::cli {

struct UsedFile {
    std::string what;  // "the app file", "--prepared"
    std::filesystem::path file;
};

// The file of "FILE" or "NAME=FILE".
std::filesystem::path file_in(const std::string& text);

// Errors: invalid_input (not a name that ends in .npy or .npz, or one of the files that the command uses otherwise).
Result<> check_output(const std::string& option, const std::filesystem::path& file, const std::vector<UsedFile>& used);

}  // namespace fard::cli
