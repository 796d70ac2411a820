// Packages as plain, uncompressed tar. libarchive reads them, here and nowhere else.
#include <archive.h>
#include <archive_entry.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>

#include "overlays/package/archive_layout.hpp"
#include "overlays/package/archive_members.hpp"
#include "overlays/package/files.hpp"
#include "overlays/package/package.hpp"

namespace fard {
namespace fs = std::filesystem;
namespace {

constexpr const char* manifest_name = "overlay.toml";
constexpr std::uint64_t max_manifest_bytes = std::uint64_t{4} << 20;
constexpr std::size_t max_members = 1000;

using Reader = std::unique_ptr<struct archive, decltype(&archive_read_free)>;

tl::unexpected<Error> library_error(struct archive* archive, const char* doing) {
    const char* reason = archive_error_string(archive);
    return fail(Fault::corrupt, "{} a package archive: {}", doing, reason ? reason : "unknown reason");
}

Result<> check_member(struct archive_entry* entry, std::size_t archive_bytes) {
    const char* path = archive_entry_pathname(entry);
    const std::string name = path ? path : "";
    if (!is_package_file_name(name))
        return fail(Fault::corrupt, "the package archive holds '{}': not a plain file name", name);
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) ||
        archive_entry_symlink(entry))
        return fail(Fault::corrupt, "the package archive's member {} is not a regular file", name);
    if (archive_entry_sparse_count(entry) > 0)
        return fail(Fault::corrupt, "the package archive's member {} is sparse", name);
    if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0 ||
        static_cast<std::uint64_t>(archive_entry_size(entry)) > archive_bytes)
        return fail(Fault::corrupt, "the package archive's member {} claims more bytes than the archive has",
                    name);
    return {};
}

// Hands over a member's bytes, block by block.
Result<> for_each_block(struct archive* reader, struct archive_entry* entry,
                        const std::function<Result<>(std::uint64_t offset, std::string_view bytes)>& take) {
    const auto size = static_cast<std::uint64_t>(archive_entry_size(entry));
    std::string block(std::min<std::uint64_t>(size, std::uint64_t{1} << 18), '\0');
    for (std::uint64_t offset = 0; offset < size;) {
        const auto count =
            archive_read_data(reader, block.data(), std::min<std::uint64_t>(block.size(), size - offset));
        if (count < 0) return library_error(reader, "reading");
        if (count == 0)
            return fail(Fault::corrupt, "the package archive ends inside {}", archive_entry_pathname(entry));
        const std::string_view bytes(block.data(), static_cast<std::size_t>(count));
        if (auto taken = take(offset, bytes); !taken) return taken;
        offset += bytes.size();
    }
    return {};
}

// Goes through the members of an archive that is open; `member` reads each with for_each_block.
using TakeMember = std::function<Result<>(const std::string& name, struct archive_entry* entry)>;
Result<> for_each_member(struct archive* reader, std::uint64_t archive_bytes, const TakeMember& member) {
    std::set<std::string> names;
    for (;;) {
        struct archive_entry* entry = nullptr;
        const int code = archive_read_next_header(reader, &entry);
        if (code == ARCHIVE_EOF) return {};
        if (code != ARCHIVE_OK) return library_error(reader, "reading");
        if (auto checked = check_member(entry, archive_bytes); !checked) return checked;
        if (names.size() == max_members)
            return fail(Fault::corrupt, "the package archive has more than {} members", max_members);
        const std::string name = archive_entry_pathname(entry);
        if (!names.insert(name).second) return fail(Fault::corrupt, "the package archive holds {} twice", name);
        if (auto taken = member(name, entry); !taken) return taken;
    }
}

// libarchive's way of reading from a ReadArchive, one block after the other.
struct Stream {
    const ReadArchive& read;
    std::uint64_t total;
    std::uint64_t offset = 0;
    std::string block;
    std::optional<Error> error;
};
la_ssize_t next_block(struct archive*, void* state, const void** bytes) {
    auto& stream = *static_cast<Stream*>(state);
    const auto left = std::min<std::uint64_t>(stream.total - stream.offset, std::uint64_t{1} << 18);
    if (left == 0) return 0;
    auto block = stream.read(stream.offset, left);
    if (!block || block->size() != left) {
        stream.error = block ? Error{Fault::corrupt, "the archive is shorter than it was said to be"} : block.error();
        return -1;
    }
    stream.block = std::move(*block);
    stream.offset += stream.block.size();
    *bytes = stream.block.data();
    return static_cast<la_ssize_t>(stream.block.size());
}

Result<std::string> whole_archive(const std::map<std::string, std::string>& contents,
                                  const std::map<std::string, std::uint64_t>& sizes) {
    const ArchiveLayout layout(sizes);
    return layout.read(0, layout.total(),
                       [&](const std::string& name, std::uint64_t offset, std::size_t bytes) {
                           return Result<std::string>(contents.at(name).substr(offset, bytes));
                       });
}

}  // namespace

Result<ArchiveMembers> read_archive_members(std::string_view bytes) {
    const Reader reader(archive_read_new(), archive_read_free);
    archive_read_support_format_tar(reader.get());
    if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
        return library_error(reader.get(), "reading");
    ArchiveMembers files;
    const auto read = for_each_member(
        reader.get(), bytes.size(), [&](const std::string& name, struct archive_entry* entry) {
            auto& content = files[name];
            return for_each_block(reader.get(), entry, [&](std::uint64_t, std::string_view block) {
                content += block;
                return Result<>();
            });
        });
    if (!read) return fail(read.error());
    return files;
}

namespace {

// Holds what an archive's files hash to against its manifest.
Result<> verify_sums(const Manifest& manifest, const std::map<std::string, std::string>& sums,
                     const std::string& id) {
    for (const auto& [name, hash] : manifest.files) {
        const auto file = sums.find(name);
        if (file == sums.end()) return fail(Fault::corrupt, "the package archive {} lacks {}", id, name);
        if (file->second != hash)
            return fail(Fault::corrupt, "{} in the package archive {} does not have the manifest's SHA-256",
                        name, id);
    }
    for (const auto& [name, sum] : sums)
        if (name != manifest_name && !manifest.files.contains(name))
            return fail(Fault::corrupt, "the package archive {} holds {}, which its manifest does not list",
                        id, name);
    return {};
}

Result<Manifest> verified_manifest(const std::optional<std::string>& toml, const std::string& id) {
    if (!toml) return fail(Fault::corrupt, "the package archive has no {}", manifest_name);
    if (sha256_hex(*toml) != id)
        return fail(Fault::corrupt, "the package archive is {}, not {}", sha256_hex(*toml), id);
    return Manifest::parse(*toml, "overlay.toml of package " + id);
}

}  // namespace

Result<Manifest> verify_archive_members(const ArchiveMembers& files, const std::string& id) {
    const auto toml = files.find(manifest_name);
    auto manifest = verified_manifest(
        toml == files.end() ? std::nullopt : std::optional<std::string>(toml->second), id);
    if (!manifest) return manifest;
    std::map<std::string, std::string> sums;
    for (const auto& [name, content] : files)
        sums[name] = sha256_hex(content);
    if (auto verified = verify_sums(*manifest, sums, id); !verified) return fail(verified.error());
    return manifest;
}

Result<std::map<std::string, std::uint64_t>> unpack_archive_to(const ReadArchive& read, std::uint64_t total,
                                                               const std::string& id,
                                                               const WriteMember& write) {
    const Reader reader(archive_read_new(), archive_read_free);
    archive_read_support_format_tar(reader.get());
    Stream stream{read, total, 0, {}, {}};
    std::map<std::string, std::string> sums;
    std::map<std::string, std::uint64_t> sizes;
    std::optional<std::string> toml;
    if (archive_read_open(reader.get(), &stream, nullptr, next_block, nullptr) != ARCHIVE_OK)
        return stream.error ? fail(*stream.error) : library_error(reader.get(), "reading");
    const auto member = [&](const std::string& name, struct archive_entry* entry) -> Result<> {
        const auto size = static_cast<std::uint64_t>(archive_entry_size(entry));
        if (name == manifest_name && size > max_manifest_bytes)
            return fail(Fault::corrupt, "{} of the package archive is larger than {} bytes", name,
                        max_manifest_bytes);
        if (name == manifest_name) toml.emplace();
        Sha256 sum;
        sizes[name] = size;
        if (size == 0)
            if (auto made = write(name, 0, ""); !made) return made;
        auto taken = for_each_block(reader.get(), entry, [&](std::uint64_t offset, std::string_view bytes) {
            sum.update(bytes);
            if (name == manifest_name) *toml += bytes;
            return write(name, offset, bytes);
        });
        sums[name] = sum.hex();
        return taken;
    };
    if (auto taken = for_each_member(reader.get(), total, member); !taken)
        return fail(stream.error ? *stream.error : taken.error());
    const auto manifest = verified_manifest(toml, id);
    if (!manifest) return fail(manifest.error());
    if (auto verified = verify_sums(*manifest, sums, id); !verified) return fail(verified.error());
    return sizes;
}

Result<std::string> archive(const Package& package) {
    std::map<std::string, std::string> contents;
    std::map<std::string, std::uint64_t> sizes;
    ArchiveMembers names = package.manifest.files;
    names.emplace(manifest_name, package.id);
    for (const auto& [name, hash] : names) {
        auto bytes = read_regular_file(package.dir / name, UINT64_MAX);
        if (!bytes) return fail_in("archiving a package", bytes.error());
        if (sha256_hex(*bytes) != hash)
            return fail(Fault::corrupt, "{} changed since the package was opened",
                        (package.dir / name).string());
        sizes[name] = bytes->size();
        contents[name] = std::move(*bytes);
    }
    return whole_archive(contents, sizes);
}

Result<PackedArchive> pack_archive(Manifest manifest, std::map<std::string, std::string> files) {
    manifest.files.clear();
    std::map<std::string, std::uint64_t> sizes;
    for (const auto& [name, bytes] : files) {
        manifest.files[name] = sha256_hex(bytes);
        sizes[name] = bytes.size();
    }
    auto toml = manifest.to_toml();
    if (auto checked = Manifest::parse(toml, "the manifest of " + manifest.name); !checked)
        return fail(checked.error());
    const auto id = sha256_hex(toml);
    sizes[manifest_name] = toml.size();
    files[manifest_name] = std::move(toml);
    auto bytes = whole_archive(files, sizes);
    if (!bytes) return fail(bytes.error());
    return PackedArchive{id, std::move(*bytes)};
}

Result<Package> unpack_archive(std::string_view bytes, const std::string& id, const fs::path& dir) {
    const auto files = read_archive_members(bytes);
    if (!files) return fail(files.error());
    auto manifest = verify_archive_members(*files, id);
    if (!manifest) return fail(manifest.error());
    if (auto written = write_directory(dir, {files->begin(), files->end()}); !written)
        return fail(written.error());
    return Package{dir, id, std::move(*manifest)};
}

}  // namespace fard
