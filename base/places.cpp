#include "base/places.hpp"

#include <system_error>

#include "base/installed_places.hpp"

namespace fard {

namespace fs = std::filesystem;

namespace {

// An installation may be moved as a whole, so only the way from the one directory to the other counts.
fs::path way_to_jobs() {
    return fs::path(installed_jobs_dir).lexically_relative(installed_program_dir);
}

}  // namespace

std::optional<fs::path> board_helper_of(const fs::path& home) {
    std::error_code error;
    for (const auto& dir : {home, home / way_to_jobs().parent_path(), home / "../../overlays"})
        if (const auto file = dir / "fard-board-helper"; fs::is_regular_file(file, error)) return file.lexically_normal();
    return std::nullopt;
}

std::optional<fs::path> jobs_dir_of(const fs::path& home) {
    const auto installed = way_to_jobs();
    std::error_code error;
    for (const auto& dir : {home / "jobs", home / installed, home / "../../jobs"})
        if (fs::is_directory(dir, error)) return dir.lexically_normal();
    return std::nullopt;
}

}  // namespace fard
