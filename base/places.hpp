// Where the parts of fard lie to each other: in a build tree, or as installed.
#pragma once

#include <filesystem>
#include <optional>

namespace fard {

// The directory of the job programs that belong to the fardd in the directory `home`; none if there is none.
std::optional<std::filesystem::path> jobs_dir_of(const std::filesystem::path& home);

// The helper of a board with a fabric that belongs to the fardd in the directory `home`; none if there is none.
std::optional<std::filesystem::path> board_helper_of(const std::filesystem::path& home);

}  // namespace fard
