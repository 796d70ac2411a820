#include "base/health.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/process.hpp"

namespace fard {

namespace {

namespace fs = std::filesystem;
using Level = Finding::Level;

constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::uint64_t little_disk = 64 * mib, some_disk = 512 * mib;
constexpr std::uint64_t little_memory = 64 * mib, some_memory = 256 * mib;
constexpr long tmpfs_magic = 0x01021994;

std::string mebibytes(std::uint64_t bytes) {
    return fmt::format("{} MiB", bytes / mib);
}

Level by_room(std::uint64_t room, std::uint64_t little, std::uint64_t some) {
    return room < little ? Level::fault : room < some ? Level::warning : Level::fine;
}

}  // namespace

const char* name_of(Level level) {
    static constexpr const char* names[] = {"ok", "warning", "fault"};
    return names[static_cast<int>(level)];
}

Finding check_open_files() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const int left = descriptors_left();
    Finding finding{Level::fine, "open files", fmt::format("{} of {} are left (at most {})", left, limit.rlim_cur, limit.rlim_max),
                    ""};
    if (limit.rlim_max < 1024 || left < 256) finding.level = Level::warning;
    if (left < 64) finding.level = Level::fault;
    if (finding.level != Level::fine)
        finding.remedy = "raise the hard limit: `ulimit -Hn 65536` as root, LimitNOFILE=65536 in a systemd unit";
    return finding;
}

Finding check_kernel() {
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
    const int cause = errno;
    if (fd >= 0) ::close(fd);
    if (fd >= 0) return {Level::fine, "kernel", "it has what fard needs", ""};
    return {Level::fault, "kernel", fmt::format("processes cannot be watched (pidfd_open: {})", std::strerror(cause)),
            "use Linux 5.3 or later, and let no sandbox forbid pidfd_open"};
}

Finding check_file_size() {
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    if (limit.rlim_cur == RLIM_INFINITY) return {Level::fine, "file size", "not limited", ""};
    return {limit.rlim_cur < 256 * mib ? Level::fault : Level::warning, "file size",
            fmt::format("a file may have at most {}", mebibytes(limit.rlim_cur)),
            "`ulimit -f unlimited` before it is started (LimitFSIZE=infinity in a systemd unit)"};
}

Finding check_disk(const std::string& what, const fs::path& directory) {
    struct statfs status {};
    if (::statfs(directory.c_str(), &status) != 0)
        return {Level::fault, what, fmt::format("{}: {}", directory.string(), std::strerror(errno)),
                "make the directory, or name another one"};
    const auto room = static_cast<std::uint64_t>(status.f_bavail) * static_cast<std::uint64_t>(status.f_bsize);
    const bool memory = status.f_type == tmpfs_magic;
    Finding finding{by_room(room, little_disk, some_disk), what,
                    fmt::format("{} left in {}{}", mebibytes(room), directory.string(), memory ? " (a tmpfs: memory)" : ""), ""};
    if (finding.level != Level::fine) finding.remedy = "remove what is not needed there, or choose a directory on a larger disk";
    return finding;
}

Finding check_writable(const std::string& what, const fs::path& directory) {
    if (::access(directory.c_str(), W_OK | X_OK) == 0) return {Level::fine, what, directory.string() + " is ours to write", ""};
    return {Level::fault, what, fmt::format("{}: {}", directory.string(), std::strerror(errno)),
            fmt::format("give user {} the right to write there, or choose another directory", ::geteuid())};
}

Finding check_memory() {
    std::ifstream lines("/proc/meminfo");
    for (std::string name, unit; lines >> name;) {
        std::uint64_t kibibytes = 0;
        lines >> kibibytes;
        std::getline(lines, unit);
        if (name != "MemAvailable:") continue;
        const auto room = kibibytes * 1024;
        Finding finding{by_room(room, little_memory, some_memory), "memory", mebibytes(room) + " are available", ""};
        if (finding.level != Level::fine) finding.remedy = "end other programs, or give the board fewer slots (--slots)";
        return finding;
    }
    return {Level::warning, "memory", "/proc/meminfo does not say how much there is", ""};
}

}  // namespace fard
