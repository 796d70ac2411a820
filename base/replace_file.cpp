#include "base/replace_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/owned_fd.hpp"

namespace fard {

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) {
            pollfd writable{fd, POLLOUT, 0};
            ::poll(&writable, 1, -1);
            continue;
        }
        if (count <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

Result<> replace_file(const std::filesystem::path& file, std::string_view text, Durability durability) {
    const auto fresh = file.string() + ".new";
    const auto failed = [&](const char* what) -> Result<> {
        const int cause = errno;
        ::unlink(fresh.c_str());
        return fail(Fault::io, "cannot {} {}: {}", what, file.string(), std::strerror(cause));
    };
    {
        const OwnedFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
        if (fd.get() < 0) return failed("write");
        if (!write_all(fd.get(), text)) return failed("write");
        if (durability == Durability::on_disk && ::fsync(fd.get()) != 0) return failed("write");
    }
    if (::rename(fresh.c_str(), file.c_str()) != 0) return failed("replace");
    if (durability == Durability::none) return {};
    const auto parent = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
    const OwnedFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() >= 0) ::fsync(directory.get());
    return {};
}

}  // namespace fard
