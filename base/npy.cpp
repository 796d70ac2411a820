#include "base/npy.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/npy_header.hpp"
#include "base/read_file.hpp"

namespace fard {
namespace fs = std::filesystem;
namespace {

std::string system_error() {
    return std::strerror(errno);
}

// Where a write to `file` goes: what a symbolic link leads to, so that the link stays one.
fs::path behind_links(fs::path file) {
    std::error_code error;
    for (int links = 0; links < 40 && fs::is_symlink(fs::symlink_status(file, error)); ++links) {
        const auto target = fs::read_symlink(file, error);
        if (error) break;
        file = file.parent_path() / target;  // an absolute target replaces it
    }
    return file;
}

// A file that takes its place when it is complete, and goes away when it never is. It has no name until then where the
// file system can do that, so that nothing stays however the process ends; else a temporary one beside its place.
class FileInTheMaking {
  public:
    static Result<FileInTheMaking> create(const fs::path& named) {
        const auto file = behind_links(named);
        std::error_code error;
        const auto status = fs::status(file, error);
        if (fs::exists(status) && !fs::is_regular_file(status))
            return fail(Fault::invalid_input, "{} exists and is no regular file; it is not replaced",
                        named.string());
        static std::atomic<unsigned> number{0};
        auto making = file;
        making += fmt::format(".new-{}-{}", ::getpid(), number++);
        const auto directory = file.has_parent_path() ? file.parent_path() : fs::path(".");
        int fd = ::open(directory.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0666);
        const bool nameless = fd >= 0 && ::access(of_descriptor(fd).c_str(), F_OK) == 0;
        if (fd >= 0 && !nameless) ::close(fd);  // no /proc here
        if (!nameless) fd = ::open(making.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0) return fail(Fault::io, "cannot write {}: {}", file.string(), system_error());
        return FileInTheMaking(fd, making, file, nameless);
    }
    FileInTheMaking(FileInTheMaking&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)),
          making_(std::move(other.making_)),
          file_(std::move(other.file_)),
          nameless_(other.nameless_) {}
    FileInTheMaking& operator=(FileInTheMaking&&) = delete;
    ~FileInTheMaking() {
        if (fd_ < 0) return;
        ::close(fd_);
        if (!nameless_) ::unlink(making_.c_str());
    }

    Result<> write(std::span<const std::byte> bytes, off_t at) {
        while (!bytes.empty()) {
            const auto count = ::pwrite(fd_, bytes.data(), bytes.size(), at);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return fail(Fault::io, "cannot write {}: {}", file_.string(), system_error());
            bytes = bytes.subspan(static_cast<std::size_t>(count));
            at += count;
        }
        return {};
    }

    Result<> publish() {
        const bool named = !nameless_ || ::linkat(AT_FDCWD, of_descriptor(fd_).c_str(), AT_FDCWD, making_.c_str(),
                                                  AT_SYMLINK_FOLLOW) == 0;
        const bool there = named && ::rename(making_.c_str(), file_.c_str()) == 0;
        const int cause = errno;
        if (named && !there) ::unlink(making_.c_str());
        const int closed = ::close(std::exchange(fd_, -1));
        if (there && closed == 0) return {};
        return fail(Fault::io, "cannot write {}: {}", file_.string(), std::strerror(there ? errno : cause));
    }

  private:
    FileInTheMaking(int fd, fs::path making, fs::path file, bool nameless)
        : fd_(fd), making_(std::move(making)), file_(std::move(file)), nameless_(nameless) {}
    static std::string of_descriptor(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

    int fd_;
    fs::path making_, file_;
    bool nameless_;  // until publish()
};

std::span<const std::byte> bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

}  // namespace

Result<NpyArray> parse_npy(std::span<const std::byte> bytes, const std::string& where) {
    auto header = parse_npy_header(bytes);
    if (!header) return fail_in(where, header.error());
    const auto data = bytes.subspan(header->data_offset);
    if (data.size() < header->data_bytes)
        return fail(Fault::corrupt, "{}: it is cut short: its shape takes {} bytes, {} are there", where,
                    header->data_bytes, data.size());
    if (data.size() > header->data_bytes)
        return fail(Fault::corrupt, "{}: {} bytes follow the array", where, data.size() - header->data_bytes);
    return NpyArray{header->type, std::move(header->shape), {data.begin(), data.end()}};
}

Result<NpyArray> read_npy(const fs::path& file) {
    const auto bytes = read_whole_file(file, ReadOptions{});
    if (!bytes) return fail(bytes.error());
    return parse_npy(bytes_of(*bytes), file.string());
}

Result<> write_npy(const fs::path& file, const NpyArray& array) {
    const auto header = npy_header(array.type, array.shape);
    if (!header) return fail(header.error());
    if (const auto size = npy_data_bytes(array.type, array.shape); !size || *size != array.bytes.size())
        return fail(Fault::invalid_input, "{}: {} bytes do not fill the shape ({}) of {}", file.string(),
                    array.bytes.size(), fmt::join(array.shape, ", "), name_of(array.type));
    auto making = FileInTheMaking::create(file);
    if (!making) return fail(making.error());
    if (auto written = making->write(bytes_of(*header), 0); !written) return written;
    if (auto written = making->write(array.bytes, static_cast<off_t>(header->size())); !written)
        return written;
    return making->publish();
}

struct NpyWriter::Implementation {
    FileInTheMaking making;
    NpyType type;
    std::vector<std::int64_t> shape;  // the first extent counts the rows so far
    std::size_t row_bytes;
    std::size_t end;  // of what is written
};

Result<NpyWriter> NpyWriter::create(const fs::path& file, NpyType type, std::vector<std::int64_t> row_shape) {
    const auto row_bytes = npy_data_bytes(type, row_shape);
    if (!row_bytes || *row_bytes == 0)
        return fail(Fault::invalid_input, "{}: rows of shape ({}) cannot be written", file.string(),
                    fmt::join(row_shape, ", "));
    row_shape.insert(row_shape.begin(), 0);
    const auto header = npy_header(type, row_shape);
    if (!header) return fail(header.error());
    auto making = FileInTheMaking::create(file);
    if (!making) return fail(making.error());
    return NpyWriter(std::make_unique<Implementation>(
        Implementation{std::move(*making), type, std::move(row_shape), *row_bytes, header->size()}));
}

NpyWriter::NpyWriter(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
NpyWriter::~NpyWriter() = default;
NpyWriter::NpyWriter(NpyWriter&&) noexcept = default;
NpyWriter& NpyWriter::operator=(NpyWriter&&) noexcept = default;

Result<> NpyWriter::append(std::span<const std::byte> rows) {
    auto& it = *implementation_;
    if (rows.size() % it.row_bytes != 0)
        return fail(Fault::invalid_input, "{} bytes are not whole rows of {} bytes", rows.size(),
                    it.row_bytes);
    if (auto written = it.making.write(rows, static_cast<off_t>(it.end)); !written) return written;
    it.end += rows.size();
    it.shape.front() += static_cast<std::int64_t>(rows.size() / it.row_bytes);
    return {};
}

Result<> NpyWriter::finish() {
    auto& it = *implementation_;
    const auto header = npy_header(it.type, it.shape);
    if (!header) return fail(header.error());
    if (auto written = it.making.write(bytes_of(*header), 0); !written) return written;
    return it.making.publish();
}

}  // namespace fard
