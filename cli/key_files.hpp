// The files of a key directory, as the commands about keys write them.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.hpp"
#include "runtime/peer/keys.hpp"

namespace fard::cli {

// --dir, else the user's own key directory; made with mode 0700. Errors: io, refused (others can reach it).
Result<std::filesystem::path> key_directory_for(const std::string& option);

}  // namespace fard::cli
