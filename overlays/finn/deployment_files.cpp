// A deployment's files, from a directory or a zip. libarchive reads the zip.
#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <memory>

#include "overlays/bitstream/bitstream.hpp"
#include "overlays/finn/deployment.hpp"
#include "overlays/package/files.hpp"

namespace fard::finn {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t max_total_bytes = std::uint64_t{1} << 30;
constexpr std::size_t max_entries = 20'000;
constexpr int max_depth = 6;

// driver.py itself; not the Python libraries that lie beside it.
bool matters(const fs::path& path) {
    const auto extension = path.extension();
    if (extension == ".bit" || extension == ".bin" || extension == ".hwh" || extension == ".dtbo") return true;
    if (path.filename() == "driver.py") return true;
    const bool weights = path.parent_path().filename() == "runtime_weights";
    return weights && (extension == ".dat" || extension == ".npy");
}

class Collection {
  public:
    explicit Collection(std::string where) { out_.where = std::move(where); }
    Result<> admit(std::uint64_t bytes) {
        if (++entries_ > max_entries || bytes > max_total_bytes - total_)
            return fail(Fault::invalid_input, "{} holds more than any deployment (over {} entries or {} bytes)", out_.where,
                        max_entries, max_total_bytes);
        total_ += bytes;
        return {};
    }
    void add(const std::string& path, std::string bytes) { out_.files[path] = std::move(bytes); }
    DeploymentFiles take() { return std::move(out_); }

  private:
    DeploymentFiles out_;
    std::size_t entries_ = 0;
    std::uint64_t total_ = 0;
};

Result<> add_file(Collection& out, const fs::path& file, const std::string& name) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (error) return fail(Fault::io, "{}: {}", file.string(), error.message());
    if (auto admitted = out.admit(size); !admitted) return admitted;
    auto bytes = read_regular_file(file, max_total_bytes);
    if (!bytes) return fail(bytes.error());
    out.add(name, std::move(*bytes));
    return {};
}

Result<DeploymentFiles> from_directory(const fs::path& directory) {
    Collection out(directory.string());
    std::error_code error;
    fs::recursive_directory_iterator entry(directory, error), end;
    for (; !error && entry != end; entry.increment(error)) {
        if (entry.depth() >= max_depth) entry.disable_recursion_pending();
        if (!entry->is_regular_file(error) || entry->is_symlink(error) || !matters(entry->path())) {
            if (auto admitted = out.admit(0); !admitted) return fail(admitted.error());
            continue;
        }
        if (auto added = add_file(out, entry->path(), entry->path().lexically_relative(directory).string()); !added)
            return fail(added.error());
    }
    if (error) return fail(Fault::io, "{}: {}", directory.string(), error.message());
    return out.take();
}

using Zip = std::unique_ptr<struct archive, decltype(&archive_read_free)>;

Result<std::string> zip_member(struct archive* zip, const std::string& where, const std::string& name, Collection& out) {
    std::string bytes, block(std::size_t{1} << 16, '\0');
    for (;;) {
        const auto count = archive_read_data(zip, block.data(), block.size());
        if (count == 0) return bytes;
        if (count < 0) {
            const char* reason = archive_error_string(zip);
            return fail(Fault::corrupt, "{}: {}: {}; copy it again", where, name, reason ? reason : "damaged");
        }
        // What a member claims to have is not believed: a small archive can hold a great deal.
        if (auto admitted = out.admit(static_cast<std::uint64_t>(count)); !admitted) return fail(admitted.error());
        bytes.append(block.data(), static_cast<std::size_t>(count));
    }
}

}  // namespace

Result<DeploymentFiles> read_zip(std::string_view bytes, const std::string& where) {
    const Zip zip(archive_read_new(), archive_read_free);
    archive_read_support_format_zip(zip.get());
    const auto damaged = [&] {
        const char* reason = archive_error_string(zip.get());
        return fail(Fault::corrupt, "{} is no zip archive that can be read: {}; copy it again", where, reason ? reason : "damaged");
    };
    if (archive_read_open_memory(zip.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) return damaged();
    Collection out(where);
    for (;;) {
        struct archive_entry* entry = nullptr;
        const int code = archive_read_next_header(zip.get(), &entry);
        if (code == ARCHIVE_EOF) return out.take();
        if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return damaged();
        if (auto admitted = out.admit(0); !admitted) return fail(admitted.error());
        const char* path = archive_entry_pathname(entry);
        const std::string name = path ? path : "";
        if (archive_entry_filetype(entry) != AE_IFREG || !matters(name)) continue;
        auto content = zip_member(zip.get(), where, name, out);
        if (!content) return fail(content.error());
        out.add(name, std::move(*content));
    }
}

namespace {

Result<DeploymentFiles> from_zip(const fs::path& file) {
    const auto bytes = read_regular_file(file, max_total_bytes);
    return bytes ? read_zip(*bytes, file.string()) : fail(bytes.error());
}

Result<DeploymentFiles> from_bitstream(const fs::path& file) {
    Collection out(file.string());
    if (auto added = add_file(out, file, file.filename().string()); !added) return fail(added.error());
    auto handoff = file;
    handoff.replace_extension(".hwh");
    std::error_code ignored;
    if (fs::exists(handoff, ignored))
        if (auto added = add_file(out, handoff, handoff.filename().string()); !added) return fail(added.error());
    auto files = out.take();
    files.alone = true;
    return files;
}

}  // namespace

Result<DeploymentFiles> read_deployment(const fs::path& path) {
    std::error_code error;
    const auto status = fs::status(path, error);
    if (!fs::exists(status)) return fail(Fault::not_found, "there is no {}", path.string());
    if (fs::is_directory(status)) return from_directory(path);
    if (path.extension() == ".zip") return from_zip(path);
    if (path.extension() == ".bit" || path.extension() == ".bin") return from_bitstream(path);
    return fail(Fault::invalid_input, "{} is no deployment: a directory, a .zip of one, or a .bit is", path.string());
}

}  // namespace fard::finn
