#include "runtime/node_manager/state_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include <cerrno>

#include "runtime/node_manager/disk.hpp"

namespace fard {

namespace fs = std::filesystem;

namespace {

Result<> make_private(const fs::path& dir) {
    std::error_code error;
    fs::create_directories(dir.parent_path(), error);
    if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(disk_error("make the directory", dir, errno));
    struct stat found {};
    if (::lstat(dir.c_str(), &found) != 0)
        return fail(disk_error("look at the directory", dir, errno));
    if (!S_ISDIR(found.st_mode))
        return fail(Fault::invalid_input, "the state directory {} is not a directory; give another state_dir",
                    dir.string());
    if (found.st_uid != ::geteuid())
        return fail(Fault::invalid_input, "the state directory {} belongs to user {}; give another state_dir",
                    dir.string(), found.st_uid);
    if ((found.st_mode & 0777) != 0700)
        return fail(Fault::invalid_input,
                    "the state directory {} has mode {:04o}; only its owner may reach it: chmod 700 {}",
                    dir.string(), static_cast<unsigned>(found.st_mode & 0777), dir.string());
    return {};
}

}  // namespace

Result<> StateDir::lock(const fs::path& dir) {
    if (auto made = make_private(dir); !made) return made;
    const auto file = dir / "lock";
    OwnedFd lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (lock.get() < 0) return fail(disk_error("open", file, errno));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return fail(Fault::io, "another node manager has the directory {}; stop it, or give another state_dir",
                        dir.string());
        return fail(disk_error("lock", file, errno));
    }
    // For people and for `fard down`; that the lock is held is what counts, also on a disk that is full.
    const auto pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(lock.get(), 0) != 0 || ::pwrite(lock.get(), pid.data(), pid.size(), 0) < 0)
        spdlog::warn("{}", disk_error("write", file, errno).message);
    locks_.push_back(std::move(lock));
    return {};
}

Result<std::unique_ptr<StateDir>> StateDir::take(const fs::path& state_path, const fs::path& runtime) {
    auto state = std::unique_ptr<StateDir>(new StateDir(state_path, runtime));
    if (auto locked = state->lock(runtime); !locked) return fail(locked.error());
    if (state_path != runtime)
        if (auto locked = state->lock(state_path); !locked) return fail(locked.error());
    OwnedFd directory(::open(runtime.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() >= 0 && ::flock(directory.get(), LOCK_SH | LOCK_NB) == 0)
        state->locks_.push_back(std::move(directory));
    std::error_code error;
    fs::remove_all(state->links(), error);
    fs::create_directory(state->links(), error);
    if (error) return fail(disk_error("make", state->links(), error.value()));
    return state;
}

StateDir::~StateDir() {
    std::error_code ignored;
    if (!locks_.empty()) fs::remove_all(links(), ignored);
}

}  // namespace fard
