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

#include "base/read_file.hpp"
#include "base/replace_file.hpp"
#include "overlays/package/package.hpp"

namespace fard {
namespace fs = std::filesystem;
namespace {

std::string system_error() {
    return std::strerror(errno);
}

Result<> write_file(const fs::path& file, std::string_view bytes) {
    const OwnedFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (fd.get() < 0) return fail(Fault::io, "cannot create {}: {}", file.string(), system_error());
    if (!write_all(fd.get(), bytes)) return fail(Fault::io, "cannot write {}: {}", file.string(), system_error());
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
    return read_whole_file(file, {.most_bytes = max_bytes, .links = false});
}

Result<std::string> sha256_of_file(const fs::path& file) {
    Sha256 sum;
    auto read = read_blocks(file, {.links = false}, [&](std::string_view block) { sum.update(block); });
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
