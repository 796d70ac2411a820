#include "base/places.hpp"

#include <system_error>

#include "base/installed_places.hpp"

namespace fard {

namespace fs = std::filesystem;

std::optional<fs::path> jobs_dir_of(const fs::path& home) {
    // An installation may be moved as a whole, so only the way from the one directory to the other counts.
    const auto installed = fs::path(installed_jobs_dir).lexically_relative(installed_program_dir);
    std::error_code error;
    for (const auto& dir : {home / "jobs", home / installed, home / "../../jobs"})
        if (fs::is_directory(dir, error)) return dir.lexically_normal();
    return std::nullopt;
}

}  // namespace fard
