// Packages as plain, uncompressed tar. libarchive is called here and nowhere else.
#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "overlays/archive_members.hpp"
#include "overlays/files.hpp"
#include "overlays/package.hpp"

namespace fard {
namespace fs = std::filesystem;
namespace {

constexpr const char* manifest_name = "overlay.toml";
constexpr std::size_t max_members = 1000;

using Reader = std::unique_ptr<struct archive, decltype(&archive_read_free)>;
using Writer = std::unique_ptr<struct archive, decltype(&archive_write_free)>;
using Entry = std::unique_ptr<struct archive_entry, decltype(&archive_entry_free)>;

la_ssize_t append_to_string(struct archive*, void* out, const void* bytes, std::size_t count) {
    static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), count);
    return static_cast<la_ssize_t>(count);
}

tl::unexpected<Error> library_error(struct archive* archive, const char* doing) {
    const char* reason = archive_error_string(archive);
    return fail(Fault::corrupt, "{} a package archive: {}", doing, reason ? reason : "unknown reason");
}

// Appends a file; nothing of the machine or the day goes into its header.
Result<> append_member(struct archive* writer, const std::string& name, std::string_view bytes) {
    const Entry entry(archive_entry_new(), archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_mtime(entry.get(), 0, 0);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
    if (archive_write_header(writer, entry.get()) != ARCHIVE_OK) return library_error(writer, "writing");
    if (archive_write_data(writer, bytes.data(), bytes.size()) != static_cast<la_ssize_t>(bytes.size()))
        return library_error(writer, "writing");
    return {};
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

Result<std::string> read_member(struct archive* reader, struct archive_entry* entry) {
    std::string bytes(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
    std::size_t filled = 0;
    while (filled < bytes.size()) {
        const auto count = archive_read_data(reader, bytes.data() + filled, bytes.size() - filled);
        if (count < 0) return library_error(reader, "reading");
        if (count == 0)
            return fail(Fault::corrupt, "the package archive ends inside {}", archive_entry_pathname(entry));
        filled += static_cast<std::size_t>(count);
    }
    return bytes;
}

}  // namespace

Result<ArchiveMembers> read_archive_members(std::string_view bytes) {
    const Reader reader(archive_read_new(), archive_read_free);
    archive_read_support_format_tar(reader.get());
    if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
        return library_error(reader.get(), "reading");
    ArchiveMembers files;
    for (;;) {
        struct archive_entry* entry = nullptr;
        const int code = archive_read_next_header(reader.get(), &entry);
        if (code == ARCHIVE_EOF) return files;
        if (code != ARCHIVE_OK) return library_error(reader.get(), "reading");
        if (auto checked = check_member(entry, bytes.size()); !checked) return fail(checked.error());
        if (files.size() == max_members)
            return fail(Fault::corrupt, "the package archive has more than {} members", max_members);
        auto content = read_member(reader.get(), entry);
        if (!content) return fail(content.error());
        if (!files.emplace(archive_entry_pathname(entry), std::move(*content)).second)
            return fail(Fault::corrupt, "the package archive holds {} twice", archive_entry_pathname(entry));
    }
}

Result<Manifest> verify_archive_members(const ArchiveMembers& files, const std::string& id) {
    const auto toml = files.find(manifest_name);
    if (toml == files.end()) return fail(Fault::corrupt, "the package archive has no {}", manifest_name);
    if (sha256_hex(toml->second) != id)
        return fail(Fault::corrupt, "the package archive is {}, not {}", sha256_hex(toml->second), id);
    auto manifest = Manifest::parse(toml->second, "overlay.toml of package " + id);
    if (!manifest) return manifest;
    for (const auto& [name, hash] : manifest->files) {
        const auto file = files.find(name);
        if (file == files.end()) return fail(Fault::corrupt, "the package archive {} lacks {}", id, name);
        if (sha256_hex(file->second) != hash)
            return fail(Fault::corrupt, "{} in the package archive {} does not have the manifest's SHA-256",
                        name, id);
    }
    for (const auto& [name, content] : files)
        if (name != manifest_name && !manifest->files.contains(name))
            return fail(Fault::corrupt, "the package archive {} holds {}, which its manifest does not list",
                        id, name);
    return manifest;
}

Result<std::string> archive(const Package& package) {
    std::string out;
    const Writer writer(archive_write_new(), archive_write_free);
    archive_write_set_format_ustar(writer.get());
    archive_write_set_bytes_per_block(writer.get(), 0);
    if (archive_write_open(writer.get(), &out, nullptr, append_to_string, nullptr) != ARCHIVE_OK)
        return library_error(writer.get(), "writing");
    ArchiveMembers names = package.manifest.files;
    names.emplace(manifest_name, package.id);  // std::map keeps the members in the order of their names
    for (const auto& [name, hash] : names) {
        const auto bytes = read_regular_file(package.dir / name, UINT64_MAX);
        if (!bytes) return fail_in("archiving a package", bytes.error());
        if (sha256_hex(*bytes) != hash)
            return fail(Fault::corrupt, "{} changed since the package was opened",
                        (package.dir / name).string());
        if (auto appended = append_member(writer.get(), name, *bytes); !appended)
            return fail(appended.error());
    }
    if (archive_write_close(writer.get()) != ARCHIVE_OK) return library_error(writer.get(), "writing");
    return out;
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
