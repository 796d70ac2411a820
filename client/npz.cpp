// libarchive's ZIP format is called here and nowhere else.
#include "client/npz.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "base/read_file.hpp"

namespace fard {
namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 31;
constexpr std::string_view extension = ".npy";

using Reader = std::unique_ptr<struct archive, decltype(&archive_read_free)>;
using Writer = std::unique_ptr<struct archive, decltype(&archive_write_free)>;
using Entry = std::unique_ptr<struct archive_entry, decltype(&archive_entry_free)>;

std::string reason(struct archive* archive) {
    const char* text = archive_error_string(archive);
    return text ? text : "unknown reason";
}

// The rest of one member; its size may stand behind it.
Result<std::string> read_member(struct archive* reader, std::size_t left, const std::string& where) {
    std::string bytes;
    char block[64 * 1024];
    for (;;) {
        const auto count = archive_read_data(reader, block, sizeof block);
        if (count < 0) return fail(Fault::corrupt, "{}: cannot be read: {}", where, reason(reader));
        if (count == 0) return bytes;
        bytes.append(block, static_cast<std::size_t>(count));
        if (bytes.size() > left)
            return fail(Fault::corrupt, "{}: holds more than 2^31 bytes of arrays", where);
    }
}

Result<> append_member(struct archive* writer, const std::string& name, const std::string& bytes) {
    const Entry entry(archive_entry_new(), archive_entry_free);
    archive_entry_set_pathname(entry.get(), (name + std::string(extension)).c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
    const bool written =
        archive_write_header(writer, entry.get()) == ARCHIVE_OK &&
        archive_write_data(writer, bytes.data(), bytes.size()) == static_cast<la_ssize_t>(bytes.size());
    if (!written) return fail(Fault::io, "{}", reason(writer));
    return {};
}

}  // namespace

Result<std::map<std::string, NpyArray>> parse_npz(std::string_view bytes, const std::string& where) {
    const Reader reader(archive_read_new(), archive_read_free);
    archive_read_support_format_zip(reader.get());
    if (archive_read_open_memory(reader.get(), bytes.data(), bytes.size()) != ARCHIVE_OK)
        return fail(Fault::corrupt, "{}: not a .npz file: {}", where, reason(reader.get()));
    std::map<std::string, NpyArray> arrays;
    std::size_t left = most_bytes;
    struct archive_entry* entry = nullptr;
    for (;;) {
        const int next = archive_read_next_header(reader.get(), &entry);
        if (next == ARCHIVE_EOF) break;
        if (next != ARCHIVE_OK)
            return fail(Fault::corrupt, "{}: not a .npz file: {}", where, reason(reader.get()));
        const char* path = archive_entry_pathname(entry);
        std::string name = path ? path : "";
        const auto member = read_member(reader.get(), left, where);
        if (!member) return fail(member.error());
        left -= member->size();
        if (!name.ends_with(extension)) continue;
        name.resize(name.size() - extension.size());
        auto array = parse_npy(std::as_bytes(std::span(*member)), where + ":" + name);
        if (!array) return fail(array.error());
        arrays.insert_or_assign(std::move(name), std::move(*array));
    }
    if (arrays.empty()) return fail(Fault::corrupt, "{}: holds no array", where);
    return arrays;
}

Result<std::map<std::string, NpyArray>> read_npz(const std::filesystem::path& file) {
    const auto bytes = read_whole_file(file, {.most_bytes = most_bytes, .pipes = true});
    if (!bytes) return fail(bytes.error());
    return parse_npz(*bytes, file.string());
}

Result<> write_npz(const std::filesystem::path& file,
                   const std::map<std::string, std::filesystem::path>& arrays) {
    const auto part = file.string() + ".part";
    const Writer writer(archive_write_new(), archive_write_free);
    archive_write_set_format_zip(writer.get());
    archive_write_zip_set_compression_store(writer.get());
    if (archive_write_open_filename(writer.get(), part.c_str()) != ARCHIVE_OK)
        return fail(Fault::io, "{}: cannot be written: {}", file.string(), reason(writer.get()));
    for (const auto& [name, array] : arrays) {
        const auto bytes = read_whole_file(array, UINT64_MAX);
        if (!bytes) return fail(bytes.error());
        if (auto done = append_member(writer.get(), name, *bytes); !done)
            return fail_in(file.string(), done.error());
    }
    std::error_code error;
    if (archive_write_close(writer.get()) == ARCHIVE_OK) std::filesystem::rename(part, file, error);
    if (!error && std::filesystem::exists(file)) return {};
    std::filesystem::remove(part, error);
    return fail(Fault::io, "{}: cannot be written", file.string());
}

}  // namespace fard
