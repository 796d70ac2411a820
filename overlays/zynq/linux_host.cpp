// The drivers' files as Linux has them.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/owned_fd.hpp"
#include "overlays/zynq/host.hpp"

namespace fard::zynq {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t max_text_bytes = 4096;  // a page, as much as sysfs gives

tl::unexpected<int> last_error() { return tl::unexpected<int>(errno); }

// A mapping of a device's file.
class Mapping {
  public:
    Mapping(OwnedFd fd, void* at, std::size_t bytes) : fd_(std::move(fd)), at_(at), bytes_(bytes) {}
    ~Mapping() { ::munmap(at_, bytes_); }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;

    static Sys<std::unique_ptr<Mapping>> make(const fs::path& file, std::uint64_t offset, std::uint64_t bytes, int flags) {
        OwnedFd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC | flags));
        if (fd.get() < 0) return last_error();
        void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), static_cast<off_t>(offset));
        if (at == MAP_FAILED) return last_error();
        return std::make_unique<Mapping>(std::move(fd), at, bytes);
    }
    std::span<std::byte> span() { return {static_cast<std::byte*>(at_), bytes_}; }

  private:
    OwnedFd fd_;
    void* at_;
    std::size_t bytes_;
};

class MappedRegisters final : public Registers {
  public:
    explicit MappedRegisters(std::unique_ptr<Mapping> mapping) : mapping_(std::move(mapping)) {}
    std::uint32_t read(std::uint64_t offset) override { return *word(offset); }
    void write(std::uint64_t offset, std::uint32_t value) override { *word(offset) = value; }
    std::uint64_t bytes() const override { return mapping_->span().size(); }

  private:
    volatile std::uint32_t* word(std::uint64_t offset) {
        return reinterpret_cast<volatile std::uint32_t*>(mapping_->span().data() + offset);
    }
    std::unique_ptr<Mapping> mapping_;
};

Sys<> write_text(const fs::path& file, std::string_view text) {
    const OwnedFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (fd.get() < 0) return last_error();
    if (const auto count = ::write(fd.get(), text.data(), text.size()); count < 0) return last_error();
    else if (static_cast<std::size_t>(count) != text.size()) return tl::unexpected<int>(EIO);
    return {};
}

// Caches are seen to by u-dma-buf: one write says which bytes, for whom and in which direction.
class MappedMemory final : public DmaMemory {
  public:
    MappedMemory(std::unique_ptr<Mapping> mapping, fs::path sync, std::uint64_t address)
        : mapping_(std::move(mapping)), sync_(std::move(sync)), address_(address) {}
    std::span<std::byte> bytes() override { return mapping_->span(); }
    std::uint64_t address() const override { return address_; }
    Sys<> flush(std::uint64_t offset, std::uint64_t size) override { return say("sync_for_device", to_device, offset, size); }
    Sys<> invalidate(std::uint64_t offset, std::uint64_t size) override { return say("sync_for_cpu", from_device, offset, size); }

  private:
    static constexpr std::uint64_t to_device = 1, from_device = 2;
    Sys<> say(const char* file, std::uint64_t direction, std::uint64_t offset, std::uint64_t size) {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (sync_.empty()) return {};
        const auto low = ((size + 15) & 0xfffffff0u) | direction << 2 | 1;
        return write_text(sync_ / file, fmt::format("0x{:08X}{:08X}", offset & 0xffffffffu, low));
    }
    std::unique_ptr<Mapping> mapping_;
    fs::path sync_;
    std::uint64_t address_;
};

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
    Sys<std::unique_ptr<Lock>> lock(const Path& file) override {
        OwnedFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (fd.get() < 0 || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return last_error();
        return std::make_unique<FileLock>(std::move(fd));
    }
    Sys<std::unique_ptr<Registers>> map_registers(const Path& device, std::uint64_t offset, std::uint64_t bytes) override {
        auto mapping = Mapping::make(device, offset, bytes, O_SYNC);
        if (!mapping) return tl::unexpected<int>(mapping.error());
        return std::make_unique<MappedRegisters>(std::move(*mapping));
    }
    Sys<std::unique_ptr<DmaMemory>> map_memory(const Path& device, const Path& sync, std::uint64_t address,
                                               std::uint64_t bytes) override {
        auto mapping = Mapping::make(device, 0, bytes, sync.empty() ? O_SYNC : 0);
        if (!mapping) return tl::unexpected<int>(mapping.error());
        return std::make_unique<MappedMemory>(std::move(*mapping), sync, address);
    }
    TimePoint now() override { return std::chrono::steady_clock::now(); }
    void pause(Duration duration) override { std::this_thread::sleep_for(duration); }

  private:
    static Sys<> put_bytes(const Path& file, std::string_view bytes) {
        const OwnedFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
        if (fd.get() < 0) return last_error();
        while (!bytes.empty()) {
            const auto count = ::write(fd.get(), bytes.data(), bytes.size());
            if (count < 0 && errno != EINTR) return last_error();
            if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
        }
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
        case EPERM: help = "; whoever runs this needs rights on it (the udev rules of the package, or root)"; break;
        case ENOENT: help = "; is the driver loaded, and its node in the device tree?"; break;
        case EBUSY: help = "; another program uses it"; break;
        case ENOSPC: help = "; make room on that file system"; break;
        case EROFS: help = "; its file system is mounted read-only"; break;
        default: break;
    }
    return fmt::format("{}: {}{}", file.string(), std::strerror(error), help);
}

}  // namespace fard::zynq
