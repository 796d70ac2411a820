#include "client/cluster_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <system_error>
#include <utility>

#include "runtime/peer/known_nodes.hpp"

namespace fard {
namespace {

namespace fs = std::filesystem;

constexpr const char* lock_suffix = ".lock";

// Boards of a local cluster are b0, b1, ...
bool is_board_name(const std::string& name) {
    return name.size() > 1 && name.front() == 'b' &&
           name.find_first_not_of("0123456789", 1) == std::string::npos;
}

// Whether `fard up` and its boards put it there.
bool is_of_a_cluster(const fs::directory_entry& entry) {
    const auto& path = entry.path();
    const auto name = path.filename().string(), extension = path.extension().string();
    if (name == "nodes" || name == "nodes.new") return true;
    if (name == "node.ipc") return entry.is_symlink();
    const bool known = extension.empty() || extension == lock_suffix || extension == ".log" || extension == ".ipc";
    return known && is_board_name(path.stem().string());
}

// The process that a lock file names, if somebody holds its lock; 0 where it names none.
std::optional<pid_t> holder_of(const fs::path& file) {
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return std::nullopt;
    const bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    if (!held) return std::nullopt;
    pid_t pid = 0;
    std::ifstream(file) >> pid;
    return pid;
}

std::vector<LivingBoard> boards_with_locks(const fs::path& directory) {
    std::vector<LivingBoard> living;
    std::error_code error;
    for (auto entry = fs::directory_iterator(directory, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        const auto& path = entry->path();
        if (path.extension() != lock_suffix) continue;
        if (const auto pid = holder_of(path)) living.push_back({path.stem().string(), *pid});
    }
    return living;
}

std::vector<std::string> arguments_of(const fs::path& process) {
    std::vector<std::string> arguments;
    std::ifstream stream(process / "cmdline", std::ios::binary);
    for (std::string argument; std::getline(stream, argument, '\0');)
        arguments.push_back(argument);
    return arguments;
}

pid_t parent_of(const fs::path& process) {
    std::ifstream stream(process / "stat");
    const std::string text((std::istreambuf_iterator<char>(stream)), {});
    const auto name_end = text.rfind(')');  // the name may hold anything
    pid_t parent = 0;
    char state = 0;
    if (name_end != std::string::npos) std::istringstream(text.substr(name_end + 1)) >> state >> parent;
    return parent;
}

// Node managers of this user whose state directory is DIRECTORY/NAME. They say so themselves, whatever has become of their
// files: whoever starts them may be killed before it has written anything down, and cleaners remove old files. A child that is
// about to become a job has the same arguments for a moment, and is none.
std::vector<LivingBoard> boards_by_process(const fs::path& directory) {
    std::vector<LivingBoard> living;
    std::map<pid_t, pid_t> parents;  // of what was found
    std::error_code error;
    for (auto entry = fs::directory_iterator("/proc", error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        const auto number = entry->path().filename().string();
        if (number.find_first_not_of("0123456789") != std::string::npos) continue;
        struct stat status {};
        if (stat(entry->path().c_str(), &status) != 0 || status.st_uid != geteuid()) continue;
        const auto arguments = arguments_of(entry->path());
        const auto option = std::find(arguments.begin(), arguments.end(), "--state-dir");
        if (option == arguments.end() || option + 1 == arguments.end()) continue;
        const fs::path state(*(option + 1));
        if (fs::path(arguments.front()).filename() != "fardd" || state.parent_path() != directory) continue;
        if (!is_board_name(state.filename().string())) continue;
        living.push_back({state.filename().string(), static_cast<pid_t>(std::stol(number))});
        parents[living.back().pid] = parent_of(entry->path());
    }
    std::erase_if(living, [&](const LivingBoard& board) { return parents.contains(parents[board.pid]); });
    return living;
}

// The process that listens at a socket, if one does.
std::optional<pid_t> listener_at(const fs::path& socket_file) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto text = socket_file.string();
    if (text.size() >= sizeof address.sun_path) return std::nullopt;
    text.copy(address.sun_path, text.size());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return std::nullopt;
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool lives = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
                       errno == EAGAIN;  // its queue is full
    const bool known = lives && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    close(fd);
    if (!lives) return std::nullopt;
    return known && peer.pid > 0 ? peer.pid : 0;
}

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

Result<std::optional<OwnedFd>> lock_cluster_directory(const fs::path& directory) {
    constexpr int most_tries = 10;  // `fard down` may remove it meanwhile
    for (int i = 0; i < most_tries; ++i) {
        if (auto checked = check_cluster_directory(directory, true); !checked) return fail(checked.error());
        OwnedFd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
        if (fd.get() < 0 && errno == ENOENT) continue;
        if (fd.get() < 0) return fail(Fault::io, "cannot open {}: {}", directory.string(), std::strerror(errno));
        if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return std::optional<OwnedFd>();
        struct stat ours {}, there {};
        if (fstat(fd.get(), &ours) == 0 && lstat(directory.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
            ours.st_dev == there.st_dev)
            return std::optional<OwnedFd>(std::move(fd));
    }
    return std::optional<OwnedFd>();
}

std::vector<Address> listed_doors(const fs::path& directory) {
    auto doors = known_nodes(directory);
    std::error_code ignored;
    if (doors.empty() && fs::exists(fs::symlink_status(directory / "node.ipc", ignored)))
        if (auto door = Endpoint::ipc((directory / "node.ipc").string())) doors.push_back({std::move(*door), {}});
    return doors;
}

Result<> list_doors(const fs::path& directory, const std::vector<Address>& doors) {
    if (auto written = write_nodes(directory, doors); !written) return written;
    if (doors.empty() || !doors.front().endpoint.is_ipc()) return {};
    std::error_code error;
    fs::create_symlink(doors.front().endpoint.path(), directory / "node.ipc", error);
    if (error) return fail(Fault::io, "cannot make {}: {}", (directory / "node.ipc").string(), error.message());
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
    auto living = boards_with_locks(directory);
    for (auto& process : boards_by_process(directory)) {
        const auto known = std::find_if(living.begin(), living.end(),
                                        [&](const LivingBoard& board) { return board.name == process.name; });
        if (known == living.end()) {
            living.push_back(std::move(process));
        } else if (known->pid == 0) {
            known->pid = process.pid;
        }
    }
    std::sort(living.begin(), living.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return living;
}

std::optional<pid_t> stranger_in(const fs::path& directory) {
    const auto lock = holder_of(directory / "lock");
    const auto door = directory / "node.ipc";
    std::error_code ignored;
    if (fs::is_symlink(fs::symlink_status(door, ignored))) return lock;  // leads to a board of `fard up`
    const auto listener = listener_at(door);
    return listener ? listener : lock;
}

void clear_cluster_files(const fs::path& directory) {
    if (!check_cluster_directory(directory, false)) return;
    std::error_code ignored;
    for (auto entry = fs::directory_iterator(directory, ignored);
         !ignored && entry != fs::directory_iterator(); entry.increment(ignored)) {
        std::error_code error;
        if (is_of_a_cluster(*entry)) fs::remove_all(entry->path(), error);
    }
}

void remove_cluster_files(const fs::path& directory) {
    clear_cluster_files(directory);
    ::rmdir(directory.c_str());  // if it is empty now
}

}  // namespace fard
