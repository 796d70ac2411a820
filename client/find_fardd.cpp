#include <unistd.h>

#include <cstdlib>
#include <system_error>
#include <vector>

#include "client/local_cluster.hpp"

namespace fard {
namespace {

namespace fs = std::filesystem;

bool runnable(const fs::path& file) {
    std::error_code ignored;
    return fs::is_regular_file(file, ignored) && access(file.c_str(), X_OK) == 0;
}

}  // namespace

Result<fs::path> find_fardd_from(const fs::path& executable, const std::string& libexec) {
    std::vector<fs::path> places{libexec};
    if (libexec.empty()) {
        const auto home = executable.parent_path();
        places = {home, home.parent_path() / "libexec/fard", home.parent_path(),
                  home.parent_path().parent_path()};
    }
    std::string looked;
    for (const auto& place : places) {
        for (const auto& file : {place / "fardd", place / "runtime/node_manager/fardd"})
            if (runnable(file)) return file;
        looked += (looked.empty() ? "" : ", ") + place.string();
    }
    return fail(Fault::not_found, "no program `fardd` in {}; set FARD_LIBEXEC to its directory", looked);
}

Result<fs::path> find_jobs(const fs::path& fardd) {
    const auto home = fardd.parent_path();
    std::error_code ignored;
    for (const auto& dir : {home / "jobs", home.parent_path() / "libexec/fard/jobs", home.parent_path().parent_path() / "jobs"})
        if (fs::is_directory(dir, ignored)) return dir;
    return fail(Fault::not_found, "no job programs beside {}; --jobs-dir names their directory", fardd.string());
}

Result<fs::path> find_fardd() {
    std::error_code error;
    const auto executable = fs::read_symlink("/proc/self/exe", error);
    const char* libexec = std::getenv("FARD_LIBEXEC");
    return find_fardd_from(executable, libexec ? libexec : "");
}

}  // namespace fard
