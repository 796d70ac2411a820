#include "client/private_directory.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace fard {
namespace {

namespace fs = std::filesystem;

constexpr const char* lock_name = ".owner";

// The lock file's descriptor with the lock held, or -1: somebody else holds it, or there is none.
int take_lock(const fs::path& directory, int flags) {
    const int fd = open((directory / lock_name).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

bool is_ours(const fs::path& directory) {
    struct stat status {};
    return lstat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid();
}

// TMPDIR, or /tmp where that is too long: sockets lie several names deeper, and a socket's path has 107 bytes at most.
fs::path parent_for_sockets() {
    constexpr std::size_t longest = 40;
    std::error_code error;
    const auto parent = fs::temp_directory_path(error);
    return error || parent.string().size() > longest ? fs::path("/tmp") : parent;
}

void remove_abandoned(const fs::path& parent, const std::string& prefix) {
    std::error_code error;
    for (auto entry = fs::directory_iterator(parent, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        const auto& path = entry->path();
        if (!path.filename().string().starts_with(prefix + "-") || !is_ours(path)) continue;
        const int lock = take_lock(path, 0);
        if (lock < 0) continue;
        std::error_code ignored;
        fs::remove_all(path, ignored);
        close(lock);
    }
}

}  // namespace

Result<std::unique_ptr<PrivateDirectory>> PrivateDirectory::make(const std::string& prefix) {
    const auto parent = parent_for_sockets();
    remove_abandoned(parent, prefix);
    std::error_code error;
    std::string name;
    // Between our making a directory and our locking it another process may take it for abandoned: then once
    // more.
    for (int attempt = 0; attempt < 5; ++attempt) {
        name = (parent / (prefix + "-XXXXXX")).string();
        if (!mkdtemp(name.data()))
            return fail(Fault::io, "cannot make a private directory ({}): {}; TMPDIR names where (a short path)",
                        name, std::strerror(errno));
        const int lock = take_lock(name, O_CREAT);
        if (lock >= 0 && fs::exists(fs::path(name) / lock_name, error))
            return std::unique_ptr<PrivateDirectory>(new PrivateDirectory(name, lock));
        if (lock >= 0) close(lock);
        fs::remove_all(name, error);
    }
    return fail(Fault::io, "cannot lock {}/{}: {}", name, lock_name, std::strerror(errno));
}

PrivateDirectory::~PrivateDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    close(lock_);
}

}  // namespace fard
