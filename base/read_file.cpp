#include "base/read_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace fard {

namespace {

constexpr std::size_t block_bytes = std::size_t{1} << 18;
constexpr auto writer_patience = std::chrono::milliseconds(500);

const char* kind_of(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFDIR:
            return "a directory";
        case S_IFCHR:
        case S_IFBLK:
            return "a device";
        case S_IFIFO:
            return "a pipe";
        case S_IFSOCK:
            return "a socket";
        case S_IFLNK:
            return "a link";
        default:
            return "something else";
    }
}

tl::unexpected<Error> not_opened(const std::filesystem::path& file, int cause) {
    if (cause == ENOENT || cause == ENOTDIR) return fail(Fault::not_found, "{}: no such file", file.string());
    struct stat status {};
    if (::lstat(file.c_str(), &status) == 0 && (S_ISSOCK(status.st_mode) || (cause == ELOOP && S_ISLNK(status.st_mode))))
        return fail(Fault::invalid_input, "{}: is {}, not a file", file.string(), kind_of(status.st_mode));
    // The user named it.
    const auto fault = cause == EACCES || cause == ELOOP ? Fault::invalid_input : Fault::io;
    return fail(fault, "{}: cannot be opened: {}", file.string(), std::strerror(cause));
}

// Whether something can be read, or the writers have gone; a regular file never waits.
bool comes(int fd, std::chrono::milliseconds patience) {
    pollfd readable{fd, POLLIN, 0};
    const auto until = std::chrono::steady_clock::now() + patience;
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        const int ready = ::poll(&readable, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
        if (ready >= 0 || errno != EINTR) return ready > 0;
    }
}

bool is_pipe(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

Result<> read_open(int fd, const std::string& name, const ReadOptions& options,
                   const std::function<void(std::string_view)>& take) {
    std::vector<char> block(block_bytes);
    std::uint64_t total = 0;
    bool waited = false;
    while (true) {
        const auto count = ::read(fd, block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) {
            if (comes(fd, options.patience)) continue;
            return fail(Fault::timed_out, "{}: is a pipe, and nothing came out of it for {:.1f} s", name,
                        std::chrono::duration<double>(options.patience).count());
        }
        if (count < 0) return fail(Fault::io, "{}: cannot be read: {}", name, std::strerror(errno));
        if (count == 0 && total == 0 && is_pipe(fd)) {  // its writer waits for us to open it, or there is none
            if (!std::exchange(waited, true) && comes(fd, std::min(options.patience, writer_patience))) continue;
            return fail(Fault::invalid_input, "{}: is a pipe that nobody writes into", name);
        }
        if (count == 0) return {};
        total += static_cast<std::uint64_t>(count);
        if (total > options.most_bytes)
            return fail(Fault::invalid_input, "{}: larger than {} bytes", name, options.most_bytes);
        take({block.data(), static_cast<std::size_t>(count)});
    }
}

Result<std::string> read_text(int fd, const std::string& name, const ReadOptions& options) {
    std::string bytes;
    struct stat status {};
    if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        bytes.reserve(std::min(options.most_bytes, static_cast<std::uint64_t>(status.st_size)));
    auto read = read_open(fd, name, options, [&](std::string_view block) { bytes.append(block); });
    if (!read) return fail(read.error());
    return bytes;
}

}  // namespace

Result<OwnedFd> open_to_read(const std::filesystem::path& file, const ReadOptions& options) {
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (options.links ? 0 : O_NOFOLLOW);
    OwnedFd fd(::open(file.c_str(), flags));
    if (fd.get() < 0) return not_opened(file, errno);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0)
        return fail(Fault::io, "{}: cannot be looked at: {}", file.string(), std::strerror(errno));
    if (S_ISREG(status.st_mode) || (options.pipes && S_ISFIFO(status.st_mode))) return fd;
    return fail(Fault::invalid_input, "{}: is {}, not a file", file.string(), kind_of(status.st_mode));
}

Result<> read_blocks(const std::filesystem::path& file, const ReadOptions& options,
                     const std::function<void(std::string_view)>& take) {
    const auto fd = open_to_read(file, options);
    if (!fd) return fail(fd.error());
    return read_open(fd->get(), file.string(), options, take);
}

Result<std::string> read_whole_file(const std::filesystem::path& file, const ReadOptions& options) {
    const auto fd = open_to_read(file, options);
    if (!fd) return fail(fd.error());
    return read_text(fd->get(), file.string(), options);
}

Result<std::string> read_rest(const OwnedFd& fd, const std::string& name, const ReadOptions& options) {
    return read_text(fd.get(), name, options);
}

}  // namespace fard
