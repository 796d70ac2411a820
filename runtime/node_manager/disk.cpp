#include "runtime/node_manager/disk.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/owned_fd.hpp"

namespace fard {

namespace fs = std::filesystem;

namespace {

const char* remedy_for(int cause) {
    switch (cause) {
        case ENOSPC:
            return "; the disk is full: free some space, or give another state_dir";
        case EDQUOT:
            return "; the user's disk quota is used up: free some space, or give another state_dir";
        case EROFS:
            return "; the file system is read-only: mount it for writing, or give another state_dir";
        case EFBIG:
            return "; larger than files may be here: raise the limit (ulimit -f, LimitFSIZE=)";
        case EACCES:
        case EPERM:
            return "; the node manager's user may not: change the owner or the mode, or give another state_dir";
        case EMFILE:
        case ENFILE:
            return "; no descriptor is left: raise the limit (ulimit -n, LimitNOFILE=)";
        case EIO:
            return "; the disk has a fault: see the kernel's log, or give another state_dir";
        default:
            return "";
    }
}

tl::unexpected<Error> no(const char* doing, const fs::path& path, int cause = errno) {
    return fail(disk_error(doing, path, cause));
}

class RealDisk final : public Disk {
  public:
    Result<std::vector<std::string>> list(const Path& dir) override {
        std::vector<std::string> names;
        std::error_code error;
        for (fs::directory_iterator entry(dir, error), end; !error && entry != end; entry.increment(error))
            names.push_back(entry->path().filename().string());
        if (error) return no("list", dir, error.value());
        return names;
    }

    Result<Item> look(const Path& path) override {
        struct stat found {};
        if (::lstat(path.c_str(), &found) != 0) {
            if (errno == ENOENT || errno == ENOTDIR)
                return fail(Fault::not_found, "{} is not there", path.string());
            return no("look at", path);
        }
        if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode))
            return fail(Fault::corrupt, "{} is neither a file nor a directory", path.string());
        return Item{S_ISDIR(found.st_mode), static_cast<std::uint64_t>(found.st_size),
                    static_cast<std::int64_t>(found.st_mtime),
                    static_cast<std::int64_t>(found.st_ctim.tv_sec) * 1'000'000'000 + found.st_ctim.tv_nsec};
    }

    Result<> make_directory(const Path& dir) override {
        std::error_code error;
        fs::create_directories(dir, error);
        if (error) return no("make", dir, error.value());
        if (!fs::is_directory(dir, error)) return no("make", dir, ENOTDIR);
        return {};
    }

    Result<std::string> read(const Path& file, std::uint64_t offset, std::size_t bytes) override {
        const OwnedFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
        if (fd.get() < 0 && errno == ENOENT) return fail(Fault::not_found, "{} is not there", file.string());
        if (fd.get() < 0) return no("open", file);
        std::string out(bytes, '\0');
        std::size_t filled = 0;
        while (filled < bytes) {
            const auto count = ::pread(fd.get(), out.data() + filled, bytes - filled,
                                       static_cast<off_t>(offset + filled));
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return no("read", file);
            if (count == 0) break;
            filled += static_cast<std::size_t>(count);
        }
        out.resize(filled);
        return out;
    }

    Result<> write(const Path& file, std::uint64_t offset, std::string_view bytes) override {
        const OwnedFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
        if (fd.get() < 0) return no("make", file);
        while (!bytes.empty()) {
            const auto count = ::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return no("write", file);
            offset += static_cast<std::uint64_t>(count);
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
        return {};
    }

    Result<> keep(const Path& path) override {
        const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (fd.get() < 0) return no("open", path);
        if (::fsync(fd.get()) != 0 && errno != EINVAL) return no("write", path);
        return {};
    }

    Result<> rename(const Path& from, const Path& to) override {
        if (::rename(from.c_str(), to.c_str()) != 0) return no("make", to);
        return {};
    }

    Result<> remove(const Path& path) override {
        std::error_code error;
        fs::remove_all(path, error);
        if (error) return no("remove", path, error.value());
        return {};
    }

    Result<> touch(const Path& path) override {
        if (::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) != 0) return no("touch", path);
        return {};
    }

    Result<Space> space(const Path& path) override {
        struct statvfs room {};
        struct statfs kind {};
        if (::statvfs(path.c_str(), &room) != 0 || ::statfs(path.c_str(), &kind) != 0)
            return no("look at", path);
        const auto magic = static_cast<std::uint32_t>(kind.f_type);  // signed, and of 32 bits on some
        const bool in_memory = magic == TMPFS_MAGIC || magic == RAMFS_MAGIC;
        return Space{room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize, in_memory};
    }
};

}  // namespace

Error disk_error(const std::string& doing, const fs::path& path, int cause) {
    return {Fault::io,
            fmt::format("cannot {} {}: {}{}", doing, path.string(), std::strerror(cause), remedy_for(cause))};
}

std::unique_ptr<Disk> real_disk() {
    return std::make_unique<RealDisk>();
}

}  // namespace fard
