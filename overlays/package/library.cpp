#include "overlays/package/library.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "overlays/package/archive_members.hpp"
#include "overlays/package/sha256.hpp"

namespace fard {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t id_digits = 64;

bool is_id_prefix(std::string_view text) {
    return text.size() >= 4 && text.size() <= id_digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::uint64_t bytes_of(const Package& package) {
    std::uint64_t bytes = 0;
    std::error_code error;
    for (fs::directory_iterator entry(package.dir, error), end; !error && entry != end; entry.increment(error))
        if (const auto size = entry->file_size(error); !error) bytes += size;
    return bytes;
}

}  // namespace

Result<Library> Library::open(const fs::path& dir) {
    std::error_code error;
    fs::create_directories(dir, error);
    if (error) return fail(Fault::io, "{}: {}", dir.string(), error.message());
    return Library(dir);
}

fs::path Library::own_dir() {
    const char* data = std::getenv("XDG_DATA_HOME");
    const char* home = std::getenv("HOME");
    const fs::path base = data && *data ? fs::path(data) : fs::path(home ? home : "/nonexistent") / ".local" / "share";
    return base / "fard" / "overlays";
}

Result<std::vector<LibraryEntry>> Library::list(std::vector<std::string>* damaged) const {
    std::vector<LibraryEntry> out;
    std::error_code error;
    for (fs::directory_iterator entry(dir_, error), end; !error && entry != end; entry.increment(error)) {
        const auto name = entry->path().filename().string();
        if (name.size() != id_digits || !is_id_prefix(name)) continue;
        auto package = Package::open_verified(entry->path());
        if (!package || package->id != name) {
            if (damaged) damaged->push_back(package ? name + ": its manifest was changed" : package.error().message);
            continue;
        }
        std::error_code ignored;
        const auto bytes = bytes_of(*package);
        out.push_back({std::move(*package), bytes, fs::last_write_time(entry->path(), ignored)});
    }
    if (error) return fail(Fault::io, "{}: {}", dir_.string(), error.message());
    std::ranges::sort(out, {}, [](const LibraryEntry& entry) { return std::pair(entry.package.manifest.name, entry.package.id); });
    return out;
}

Result<Package> Library::find(const std::string& what) const {
    auto entries = list();
    if (!entries) return fail(entries.error());
    const LibraryEntry* found = nullptr;
    for (const auto& entry : *entries) {
        const bool same = entry.package.manifest.name == what || (is_id_prefix(what) && entry.package.id.starts_with(what));
        if (!same) continue;
        if (found)
            return fail(Fault::invalid_input, "'{}' means several packages of {} ({} and {}); give more of the id", what, dir_.string(),
                        found->package.id.substr(0, 16), entry.package.id.substr(0, 16));
        found = &entry;
    }
    if (found) return found->package;
    return fail(Fault::not_found, "there is no package '{}' in {}; `fard overlay list` shows what there is", what, dir_.string());
}

Result<Package> Library::add(const Manifest& manifest, const std::map<std::string, std::string>& files) const {
    const auto fresh = dir_ / (".new-" + std::to_string(::getpid()));
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    auto package = Package::write(fresh, manifest, files);
    if (!package) return package;
    package->dir = dir_ / package->id;
    std::error_code error;
    if (fs::exists(package->dir, ignored)) fs::remove_all(fresh, error);
    else fs::rename(fresh, package->dir, error);
    if (error) return fail(Fault::io, "{}: {}", package->dir.string(), error.message());
    touch(*package);
    return package;
}

Result<Package> Library::add_archive(std::string_view bytes) const {
    auto members = read_archive_members(bytes);
    if (!members) return fail(members.error());
    const auto manifest = members->find("overlay.toml");
    if (manifest == members->end()) return fail(Fault::corrupt, "the package archive has no overlay.toml");
    const auto verified = verify_archive_members(*members, sha256_hex(manifest->second));
    if (!verified) return fail(verified.error());
    auto files = std::move(*members);
    files.erase("overlay.toml");
    return add(*verified, files);
}

Result<> Library::remove(const Package& package) const {
    std::error_code error;
    fs::remove_all(package.dir, error);
    if (error) return fail(Fault::io, "{}: {}", package.dir.string(), error.message());
    return {};
}

void Library::touch(const Package& package) const {
    std::error_code ignored;
    fs::last_write_time(package.dir, fs::file_time_type::clock::now(), ignored);
}

std::vector<LibraryEntry> to_remove(std::vector<LibraryEntry> entries, std::uint64_t bytes) {
    std::ranges::sort(entries, std::ranges::greater{}, &LibraryEntry::used);
    std::uint64_t kept = 0;
    std::vector<LibraryEntry> out;
    for (auto& entry : entries) {
        if (entry.bytes <= bytes - std::min(kept, bytes)) kept += entry.bytes;
        else out.push_back(std::move(entry));
    }
    return out;
}

}  // namespace fard
