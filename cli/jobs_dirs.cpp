#include "cli/jobs_dirs.hpp"

#include <unistd.h>

#include <string>

#include "base/suggest.hpp"

namespace fard::cli {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> programs_in(const std::vector<fs::path>& dirs) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& dir : dirs)
        for (auto entry = fs::directory_iterator(dir, error); !error && entry != fs::directory_iterator();
             entry.increment(error))
            if (entry->is_regular_file(error)) names.push_back(entry->path().filename().string());
    return names;
}

Result<> check_program(const std::string& job, const std::vector<fs::path>& dirs) {
    std::string looked;
    std::error_code ignored;
    for (const auto& dir : dirs) {
        const auto file = dir / job;
        if (fs::is_regular_file(file, ignored)) {
            if (access(file.c_str(), X_OK) == 0) return {};
            return fail(Fault::invalid_input, "job program {} cannot be executed; chmod +x it", file.string());
        }
        looked += (looked.empty() ? "" : ", ") + dir.string();
    }
    return fail(Fault::not_found, "no job program '{}'{} (looked in {}); --jobs-dir names another directory", job,
                did_you_mean(job, programs_in(dirs)), looked);
}

}  // namespace

Result<std::vector<fs::path>> read_jobs_dirs(const Options& options) {
    std::vector<fs::path> dirs;
    for (const auto& text : options.texts("jobs-dir")) {
        std::error_code error;
        if (!fs::is_directory(text, error))
            return fail(Fault::invalid_input, "--jobs-dir {}: is no directory{}{}", text, error ? ": " : "",
                        error ? error.message() : "");
        dirs.push_back(fs::canonical(text, error));
    }
    return dirs;
}

Result<> check_programs(const AppFile& app, const LocalClusterOptions& cluster) {
    auto dirs = cluster.jobs_dirs;
    if (const auto own = find_jobs(cluster.fardd)) dirs.push_back(*own);
    for (const auto& position : app.positions)
        if (auto checked = check_program(position.job, dirs); !checked)
            return fail_in(fmt::format("position '{}'", position.name), checked.error());
    return {};
}

}  // namespace fard::cli
