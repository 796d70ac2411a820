#include "client/cluster_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

namespace fard {
namespace {

namespace fs = std::filesystem;

constexpr const char* lock_suffix = ".lock";

}  // namespace

fs::path user_cluster_directory() {
    const char* runtime = std::getenv("XDG_RUNTIME_DIR");
    if (runtime && *runtime == '/') return fs::path(runtime) / "fard";
    return fmt::format("/tmp/fard-{}", geteuid());
}

Result<> check_cluster_directory(const fs::path& directory, bool create) {
    if (create && mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(Fault::io, "cannot make {}: {}", directory.string(), std::strerror(errno));
    struct stat status {};
    if (lstat(directory.c_str(), &status) != 0)
        return fail(errno == ENOENT ? Fault::not_found : Fault::io, "{}: {}", directory.string(),
                    std::strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return fail(Fault::refused, "{} is not a directory; remove it", directory.string());
    if (status.st_uid != geteuid())
        return fail(Fault::refused,
                    "{} belongs to user {}, not to you; set XDG_RUNTIME_DIR to a directory of yours",
                    directory.string(), status.st_uid);
    if ((status.st_mode & 077) != 0)
        return fail(Fault::refused, "{} is open to others (mode {:o}); chmod 700 it or remove it",
                    directory.string(), status.st_mode & 07777);
    return {};
}

std::vector<Address> listed_doors(const fs::path& directory) {
    std::vector<Address> doors;
    std::ifstream lines(directory / "nodes");
    for (std::string line; std::getline(lines, line);)
        if (auto door = Address::parse(line)) doors.push_back(std::move(*door));
    std::error_code ignored;
    if (doors.empty() && fs::exists(fs::symlink_status(directory / "node.ipc", ignored)))
        if (auto door = Endpoint::ipc((directory / "node.ipc").string())) doors.push_back({std::move(*door), {}});
    return doors;
}

Result<> list_doors(const fs::path& directory, const std::vector<Address>& doors) {
    const auto file = directory / "nodes", fresh = directory / "nodes.new";
    std::ofstream lines(fresh);
    for (const auto& door : doors)
        lines << door.text() << '\n';
    lines.close();
    std::error_code error;
    if (!lines) return fail(Fault::io, "cannot write {}", fresh.string());
    fs::rename(fresh, file, error);
    if (!error && !doors.empty() && doors.front().endpoint.is_ipc())
        fs::create_symlink(doors.front().endpoint.path(), directory / "node.ipc", error);
    if (error) return fail(Fault::io, "cannot write {}: {}", file.string(), error.message());
    return {};
}

Result<BoardLock> BoardLock::take(const fs::path& directory, const std::string& name) {
    const auto file = directory / (name + lock_suffix);
    const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fail(Fault::io, "cannot make {}: {}", file.string(), std::strerror(errno));
    BoardLock lock(fd);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return fail(Fault::refused,
                    "{} is held by a node manager that lives; `fard down` takes its cluster down",
                    file.string());
    if (ftruncate(fd, 0) != 0)
        return fail(Fault::io, "cannot write {}: {}", file.string(), std::strerror(errno));
    return lock;
}

BoardLock::BoardLock(BoardLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
BoardLock& BoardLock::operator=(BoardLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}
BoardLock::~BoardLock() {
    if (fd_ >= 0) close(fd_);
}

void BoardLock::write_pid(pid_t pid) const {
    const auto text = std::to_string(pid) + "\n";
    if (pwrite(fd_, text.data(), text.size(), 0) < 0) return;  // the number is for people; the lock counts
}

std::vector<LivingBoard> living_boards(const fs::path& directory) {
    std::vector<LivingBoard> living;
    std::error_code error;
    for (auto entry = fs::directory_iterator(directory, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        const auto& path = entry->path();
        if (path.extension() != lock_suffix) continue;
        const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0) continue;
        const bool lives = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        close(fd);
        LivingBoard board{path.stem().string(), 0};
        if (lives && std::ifstream(path) >> board.pid) {
        }
        if (lives) living.push_back(std::move(board));
    }
    std::sort(living.begin(), living.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return living;
}

void remove_cluster_files(const fs::path& directory) {
    if (!check_cluster_directory(directory, false)) return;
    std::error_code ignored;
    for (auto entry = fs::directory_iterator(directory, ignored);
         !ignored && entry != fs::directory_iterator(); entry.increment(ignored)) {
        std::error_code error;
        fs::remove_all(entry->path(), error);
    }
    fs::remove(directory, ignored);
}

}  // namespace fard
