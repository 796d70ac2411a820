// Directories of job programs that the command line names, and whether an app's programs are there.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.hpp"
#include "cli/options.hpp"
#include "client/app_file.hpp"
#include "client/local_cluster.hpp"

namespace fard::cli {

// Each --jobs-dir, absolute. Errors: invalid_input (no directory).
Result<std::vector<std::filesystem::path>> read_jobs_dirs(const Options& options);

// Before boards are started that would look for them in vain. Errors: not_found (the nearest name), invalid_input (it
// cannot be executed).
Result<> check_programs(const AppFile& app, const LocalClusterOptions& cluster);

}  // namespace fard::cli
