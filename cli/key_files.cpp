#include "cli/key_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "client/client_identity.hpp"

namespace fard::cli {

namespace fs = std::filesystem;

Result<fs::path> key_directory_for(const std::string& option) {
    std::error_code error;
    const auto directory = option.empty() ? key_directory() : fs::absolute(option, error);
    if (error) return fail(Fault::io, "--dir {}: the directory in which this runs: {}; give a path from the root on", option, error.message());
    if (directory.empty()) return fail(Fault::invalid_input, "no place for keys: set HOME, or give --dir");
    fs::create_directories(directory.parent_path(), error);
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(Fault::io, "cannot make {}: {}", directory.string(), std::strerror(errno));
    struct stat status {};
    if (::stat(directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
        return fail(Fault::io, "{} is not a directory", directory.string());
    if (status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
        return fail(Fault::refused, "{} is open to others (mode {:o}); chmod 700 it", directory.string(),
                    status.st_mode & 07777);
    return directory;
}

}  // namespace fard::cli
