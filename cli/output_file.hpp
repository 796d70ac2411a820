// The files that a command writes: an array's, looked at before anything is started, and those of text.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/options.hpp"

namespace fard::cli {

struct UsedFile {
    std::string what;  // "the app file", "--prepared"
    std::filesystem::path file;
};

// The file of "FILE" or "NAME=FILE".
std::filesystem::path file_in(const std::string& text);

// Errors: invalid_input (not a name that ends in .npy or .npz, or one of the files that the command uses otherwise).
Result<> check_output(const std::string& option, const std::filesystem::path& file, const std::vector<UsedFile>& used);

// Writes the file that the option names, of a command with one argument. Waits for no reader of a pipe. Errors: invalid_input (it cannot be opened, nobody reads
// the pipe, it is the file that the command reads), io.
Result<> write_text(const Options& options, const std::string& option, std::string_view text);

}  // namespace fard::cli
