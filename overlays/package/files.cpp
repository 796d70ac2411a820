#include "overlays/package/files.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>

#include "overlays/package/package.hpp"

namespace fard {
namespace fs = std::filesystem;
namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

std::string system_error() {
    return std::strerror(errno);
}

// Feeds a regular file's bytes to `take`, block by block.
Result<> for_each_block(const fs::path& file, std::uint64_t max_bytes,
                        const std::function<void(std::span<const unsigned char>)>& take) {
    const Descriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (fd.get() < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return fail(Fault::not_found, "{} does not exist", file.string());
        if (errno == ELOOP) return fail(Fault::invalid_input, "{} is a link, not a file", file.string());
        return fail(Fault::io, "cannot open {}: {}", file.string(), system_error());
    }
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0)
        return fail(Fault::io, "cannot inspect {}: {}", file.string(), system_error());
    if (!S_ISREG(status.st_mode))
        return fail(Fault::invalid_input, "{} is not a regular file", file.string());
    std::vector<unsigned char> block(std::size_t{1} << 18);
    std::uint64_t total = 0;
    for (;;) {
        const auto count = ::read(fd.get(), block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail(Fault::io, "cannot read {}: {}", file.string(), system_error());
        if (count == 0) return {};
        total += static_cast<std::uint64_t>(count);
        if (total > max_bytes)
            return fail(Fault::invalid_input, "{} is larger than {} bytes", file.string(), max_bytes);
        take({block.data(), static_cast<std::size_t>(count)});
    }
}

Result<> write_file(const fs::path& file, std::string_view bytes) {
    const Descriptor fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (fd.get() < 0) return fail(Fault::io, "cannot create {}: {}", file.string(), system_error());
    while (!bytes.empty()) {
        const auto count = ::write(fd.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail(Fault::io, "cannot write {}: {}", file.string(), system_error());
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

// Fills the directory `filling` and lets it appear as `dir`.
Result<> fill_and_publish(const fs::path& filling, const fs::path& dir,
                          const std::map<std::string, std::string_view>& files) {
    if (::chmod(filling.c_str(), 0755) != 0)
        return fail(Fault::io, "cannot set the mode of {}: {}", filling.string(), system_error());
    for (const auto& [name, bytes] : files)
        if (auto written = write_file(filling / name, bytes); !written) return written;
    if (::renameat2(AT_FDCWD, filling.c_str(), AT_FDCWD, dir.c_str(), RENAME_NOREPLACE) == 0) return {};
    if (errno == EEXIST) return fail(Fault::invalid_input, "{} exists already", dir.string());
    return fail(Fault::io, "cannot create {}: {}", dir.string(), system_error());
}

}  // namespace

bool is_package_file_name(std::string_view name) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= 100 && name.front() != '.' && std::ranges::all_of(name, allowed);
}

Result<std::string> read_regular_file(const fs::path& file, std::uint64_t max_bytes) {
    std::string bytes;
    auto read = for_each_block(file, max_bytes, [&](std::span<const unsigned char> block) {
        bytes.append(reinterpret_cast<const char*>(block.data()), block.size());
    });
    if (!read) return fail(read.error());
    return bytes;
}

Result<std::string> sha256_of_file(const fs::path& file) {
    Sha256 sum;
    auto read = for_each_block(file, UINT64_MAX, [&](std::span<const unsigned char> block) {
        sum.update({reinterpret_cast<const char*>(block.data()), block.size()});
    });
    if (!read) return fail(read.error());
    return sum.hex();
}

Result<> write_directory(const fs::path& dir, const std::map<std::string, std::string_view>& files) {
    std::error_code ignored;
    if (fs::symlink_status(dir, ignored).type() != fs::file_type::not_found)
        return fail(Fault::invalid_input, "{} exists already", dir.string());
    std::string filling = dir.string();
    while (filling.size() > 1 && filling.back() == '/')
        filling.pop_back();
    filling += ".new-XXXXXX";
    if (::mkdtemp(filling.data()) == nullptr)
        return fail(Fault::io, "cannot create a directory beside {}: {}", dir.string(), system_error());
    auto published = fill_and_publish(filling, dir, files);
    if (!published) fs::remove_all(filling, ignored);
    return published;
}

}  // namespace fard
