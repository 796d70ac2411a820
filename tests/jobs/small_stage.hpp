// A small stage, and an emulated board that takes it: the fully connected layers of CnvW2A2 at a millisecond each.
#pragma once

#include <filesystem>
#include <string>

#include "overlays/package/package.hpp"
#include "overlays/profiles/board_profile.hpp"

namespace fard::testing {

// A path below what the environment variable names, or below here.
std::filesystem::path under(const char* variable, const char* path);

BoardProfile quick_board();

Package classifier(const std::filesystem::path& dir, const std::string& name = "classifier");

}  // namespace fard::testing
