// The drivers' files as Linux has them.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/owned_fd.hpp"
#include "base/replace_file.hpp"
#include "overlays/zynq/host.hpp"
#include "overlays/zynq/mapping.hpp"

namespace fard::zynq {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t max_text_bytes = 4096;  // a page, as much as sysfs gives

tl::unexpected<int> last_error() { return tl::unexpected<int>(errno); }

Sys<> write_text(const fs::path& file, std::string_view text) {
    const OwnedFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (fd.get() < 0) return last_error();
    if (const auto count = ::write(fd.get(), text.data(), text.size()); count < 0) return last_error();
    else if (static_cast<std::size_t>(count) != text.size()) return tl::unexpected<int>(EIO);
    return {};
}

Sys<OwnedFd> open_device(const fs::path& device, int flags) {
    OwnedFd fd(::open(device.c_str(), O_RDWR | O_CLOEXEC | flags));
    if (fd.get() < 0) return last_error();
    return fd;
}

class FileLock final : public Lock {
  public:
    explicit FileLock(OwnedFd fd) : fd_(std::move(fd)) {}

  private:
    OwnedFd fd_;
};

class LinuxHost final : public Host {
  public:
    Sys<std::string> read(const Path& file) override {
        const OwnedFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
        if (fd.get() < 0) return last_error();
        std::string text(max_text_bytes, '\0');
        const auto count = ::read(fd.get(), text.data(), text.size());
        if (count < 0) return last_error();
        text.resize(static_cast<std::size_t>(count));
        while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) text.pop_back();
        return text;
    }
    Sys<> write(const Path& file, std::string_view text) override { return write_text(file, text); }
    bool exists(const Path& path) override {
        std::error_code ignored;
        return fs::exists(path, ignored);
    }
    Sys<std::vector<std::string>> list(const Path& directory) override {
        std::error_code error;
        std::vector<std::string> names;
        for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
            names.push_back(entry->path().filename().string());
        if (error) return tl::unexpected<int>(error.value());
        std::ranges::sort(names);
        return names;
    }
    Sys<> make_directory(const Path& directory) override {
        if (::mkdir(directory.c_str(), 0755) != 0) return last_error();
        return {};
    }
    Sys<> remove_directory(const Path& directory) override {
        if (::rmdir(directory.c_str()) != 0) return last_error();
        return {};
    }
    Sys<> put_file(const Path& file, std::string_view bytes) override {
        const auto partial = Path(file) += ".partial";
        if (const auto put = put_bytes(partial, bytes); !put || ::rename(partial.c_str(), file.c_str()) != 0) {
            const int error = put ? errno : put.error();
            ::unlink(partial.c_str());
            return tl::unexpected<int>(error);
        }
        return {};
    }
    Sys<> remove_file(const Path& file) override {
        if (::unlink(file.c_str()) != 0) return last_error();
        return {};
    }
    Sys<std::unique_ptr<Lock>> lock(const Path& file, std::string_view holder) override {
        OwnedFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (fd.get() < 0 || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return last_error();
        const auto text = std::string(holder) + "\n";
        [[maybe_unused]] const bool told = ::ftruncate(fd.get(), 0) == 0 && ::write(fd.get(), text.data(), text.size()) >= 0;
        return std::make_unique<FileLock>(std::move(fd));
    }
    Sys<std::unique_ptr<Registers>> map_registers(const Path& device, std::uint64_t bytes) override {
        auto fd = open_device(device, O_SYNC);
        return fd ? zynq::map_registers(std::move(*fd), bytes) : tl::unexpected<int>(fd.error());
    }
    Sys<std::unique_ptr<DmaMemory>> map_memory(const Path& device, const Path& sync, std::uint64_t address,
                                               std::uint64_t bytes) override {
        auto fd = open_device(device, sync.empty() ? O_SYNC : 0);
        if (!fd) return tl::unexpected<int>(fd.error());
        CacheFiles caches;
        if (!sync.empty()) {
            caches.for_device = OwnedFd(::open((sync / "sync_for_device").c_str(), O_WRONLY | O_CLOEXEC));
            caches.for_cpu = OwnedFd(::open((sync / "sync_for_cpu").c_str(), O_WRONLY | O_CLOEXEC));
            if (caches.for_device.get() < 0 || caches.for_cpu.get() < 0) return last_error();
        }
        return zynq::map_memory(std::move(*fd), std::move(caches), address, bytes);
    }
    TimePoint now() override { return std::chrono::steady_clock::now(); }
    void pause(Duration duration) override { std::this_thread::sleep_for(duration); }

  private:
    static Sys<> put_bytes(const Path& file, std::string_view bytes) {
        const OwnedFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
        if (fd.get() < 0) return last_error();
        if (!write_all(fd.get(), bytes)) return last_error();
        return {};
    }
};

}  // namespace

std::unique_ptr<Host> linux_host() {
    return std::make_unique<LinuxHost>();
}

std::string explain(int error, const std::filesystem::path& file) {
    std::string help;
    switch (error) {
        case EACCES:
        case EPERM: help = "; whoever runs this needs rights on it, as root has them (docs/boards.md)"; break;
        case ENOENT: help = "; is the driver loaded, and its node in the device tree?"; break;
        case EBUSY: help = "; another program uses it"; break;
        case ENOSPC: help = "; make room on that file system"; break;
        case EROFS: help = "; its file system is mounted read-only"; break;
        default: break;
    }
    return fmt::format("{}: {}{}", file.string(), std::strerror(error), help);
}

}  // namespace fard::zynq
