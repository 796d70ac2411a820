#include "runtime/node_manager/state_dir.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fard {

namespace fs = std::filesystem;

namespace {

Result<> make_private(const fs::path& dir) {
    std::error_code error;
    fs::create_directories(dir.parent_path(), error);
    if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(Fault::io, "cannot make the state directory {}: {}", dir.string(), std::strerror(errno));
    struct stat found {};
    if (::lstat(dir.c_str(), &found) != 0)
        return fail(Fault::io, "cannot look at the state directory {}: {}", dir.string(),
                    std::strerror(errno));
    if (!S_ISDIR(found.st_mode))
        return fail(Fault::invalid_input, "the state directory {} is not a directory; give another state_dir",
                    dir.string());
    if (found.st_uid != ::getuid())
        return fail(Fault::invalid_input, "the state directory {} belongs to user {}; give another state_dir",
                    dir.string(), found.st_uid);
    if ((found.st_mode & 0777) != 0700)
        return fail(Fault::invalid_input,
                    "the state directory {} has mode {:04o}; only its owner may reach it: chmod 700 {}",
                    dir.string(), static_cast<unsigned>(found.st_mode & 0777), dir.string());
    return {};
}

}  // namespace

Result<std::unique_ptr<StateDir>> StateDir::take(const fs::path& dir) {
    if (auto made = make_private(dir); !made) return fail(made.error());
    const auto file = dir / "lock";
    const int lock = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) return fail(Fault::io, "cannot open {}: {}", file.string(), std::strerror(errno));
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
        const int cause = errno;
        ::close(lock);
        if (cause == EWOULDBLOCK)
            return fail(Fault::io,
                        "another node manager has the state directory {}; stop it, or give another state_dir",
                        dir.string());
        return fail(Fault::io, "cannot lock {}: {}", file.string(), std::strerror(cause));
    }
    auto state = std::unique_ptr<StateDir>(new StateDir(dir, lock));
    std::error_code error;
    fs::remove_all(state->links(), error);
    fs::create_directory(state->links(), error);
    if (error) return fail(Fault::io, "cannot make {}: {}", state->links().string(), error.message());
    return state;
}

StateDir::StateDir(fs::path dir, int lock) : dir_(std::move(dir)), lock_(lock) {}

StateDir::~StateDir() {
    std::error_code ignored;
    fs::remove_all(links(), ignored);
    ::close(lock_);
}

}  // namespace fard
