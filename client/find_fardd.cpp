#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <system_error>
#include <vector>

#include "base/places.hpp"
#include "client/local_cluster.hpp"

namespace fard {
namespace {

namespace fs = std::filesystem;

bool runnable(const fs::path& file) {
    std::error_code ignored;
    return fs::is_regular_file(file, ignored) && access(file.c_str(), X_OK) == 0;
}

}  // namespace

Result<fs::path> find_fardd_from(const fs::path& executable, const std::string& libexec,
                                 const std::string& path) {
    std::vector<fs::path> places{libexec};
    if (libexec.empty()) {
        const auto home = executable.parent_path();
        places = {home, home.parent_path(), home.parent_path().parent_path()};
        std::istringstream on_path(path);
        for (std::string place; std::getline(on_path, place, ':');)
            if (place.starts_with('/')) places.emplace_back(place);
    }
    std::string looked;
    for (const auto& place : places) {
        for (const auto& file : {place / "fardd", place / "runtime/node_manager/fardd"})
            if (runnable(file)) return fs::canonical(file);  // what belongs to it lies beside the file, not the link
        looked += (looked.empty() ? "" : ", ") + place.string();
    }
    return fail(Fault::not_found, "no program `fardd` in {}; set FARD_LIBEXEC to its directory", looked);
}

Result<fs::path> find_jobs(const fs::path& fardd) {
    if (auto dir = jobs_dir_of(fardd.parent_path())) return *dir;
    return fail(Fault::not_found, "no job programs beside {}; --jobs-dir names their directory",
                fardd.string());
}

Result<fs::path> find_fardd() {
    std::error_code error;
    const auto executable = fs::read_symlink("/proc/self/exe", error);
    const char* libexec = std::getenv("FARD_LIBEXEC");
    const char* path = std::getenv("PATH");
    return find_fardd_from(executable, libexec ? libexec : "", path ? path : "");
}

}  // namespace fard
