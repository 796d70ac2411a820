#include "client/input_sources.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "base/read_file.hpp"


namespace fard {
namespace {

constexpr std::size_t most_image_bytes = std::size_t{256} << 20;
constexpr std::size_t most_binary_bytes = std::size_t{2} << 30;

std::string place(const std::string& where, std::size_t index) {
    return fmt::format("{}[{}]", where, index);
}

std::span<const std::byte> as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

Result<RawInput> photo(std::string_view bytes, const std::string& where) {
    auto image = decode_image(bytes, where);
    if (!image) return fail(image.error());
    return RawInput{where, std::move(*image), true, std::nullopt};
}

class ImageSource final : public InputSource {
  public:
    explicit ImageSource(std::filesystem::path file) : file_(std::move(file)) {}
    std::size_t size() const override { return 1; }
    Result<RawInput> at(std::size_t) const override {
        const auto bytes = read_whole_file(file_, most_image_bytes);
        if (!bytes) return fail(bytes.error());
        return photo(*bytes, file_.string());
    }

  private:
    std::filesystem::path file_;
};

// One that came out of a pipe, which cannot be read again.
class KeptImageSource final : public InputSource {
  public:
    KeptImageSource(std::string bytes, std::string where) : bytes_(std::move(bytes)), where_(std::move(where)) {}
    std::size_t size() const override { return 1; }
    Result<RawInput> at(std::size_t) const override { return photo(bytes_, where_); }

  private:
    std::string bytes_;
    std::string where_;
};

class CifarSource final : public InputSource {
  public:
    CifarSource(std::string bytes, std::string where) : bytes_(std::move(bytes)), where_(std::move(where)) {}
    std::size_t size() const override { return bytes_.size() / cifar10_record_bytes; }
    Result<RawInput> at(std::size_t index) const override { return cifar10_record(bytes_, index, where_); }

  private:
    std::string bytes_;
    std::string where_;
};

class IdxSource final : public InputSource {
  public:
    IdxSource(std::string bytes, IdxHeader header, std::string where)
        : bytes_(std::move(bytes)), header_(std::move(header)), where_(std::move(where)) {}
    std::size_t size() const override { return static_cast<std::size_t>(header_.shape[0]); }
    Result<RawInput> at(std::size_t index) const override { return idx_item(bytes_, header_, index, where_); }

  private:
    std::string bytes_;
    IdxHeader header_;
    std::string where_;
};

class NpySource final : public InputSource {
  public:
    NpySource(NpyArray array, std::string where) : array_(std::move(array)), where_(std::move(where)) {}
    std::size_t size() const override { return static_cast<std::size_t>(array_.shape[0]); }
    Result<RawInput> at(std::size_t index) const override {
        const std::size_t bytes = array_.bytes.size() / size();
        const Row row{array_.type,
                      {array_.shape.begin() + 1, array_.shape.end()},
                      std::span(array_.bytes).subspan(index * bytes, bytes)};
        return RawInput{place(where_, index), row, false, std::nullopt};
    }

  private:
    NpyArray array_;
    std::string where_;
};

using Source = Result<std::unique_ptr<InputSource>>;

Source open_npy(const std::filesystem::path& file) {
    auto array = read_npy(file);
    if (!array) return fail(array.error());
    return open_array(std::move(*array), file.string());
}

Source open_binary(std::string bytes, const std::string& where) {
    // A CIFAR-10 file may begin like IDX; it can hardly be as long as an IDX header says.
    auto idx = parse_idx(bytes, where);
    if (idx) return std::make_unique<IdxSource>(std::move(bytes), std::move(*idx), where);
    if (looks_like_cifar10(bytes)) return std::make_unique<CifarSource>(std::move(bytes), where);
    if (looks_like_idx(bytes)) return fail(idx.error());
    if (bytes.starts_with("\x1f\x8b"))
        return fail(Fault::invalid_input, "{}: is compressed; unpack it first", where);
    return fail(Fault::invalid_input,
                "{}: no kind of input that fard knows: PNG, JPEG, PPM, .npy, CIFAR-10 binary (records of {} "
                "bytes), IDX",
                where, cifar10_record_bytes);
}

constexpr std::string_view npy_magic = "\x93NUMPY";

// What comes out of a pipe comes once.
Source open_pipe(const OwnedFd& pipe, const std::filesystem::path& file) {
    auto bytes = read_rest(pipe, file.string(), {.most_bytes = most_binary_bytes});
    if (!bytes) return fail(bytes.error());
    if (looks_like_image(*bytes)) return std::make_unique<KeptImageSource>(std::move(*bytes), file.string());
    if (!bytes->starts_with(npy_magic)) return open_binary(std::move(*bytes), file.string());
    auto array = parse_npy(std::as_bytes(std::span(*bytes)), file.string());
    if (!array) return fail(array.error());
    return open_array(std::move(*array), file.string());
}

Source open_file(const std::filesystem::path& file) {
    const auto fd = open_to_read(file, {.pipes = true});
    if (!fd) return fail(fd.error());
    std::array<char, 16> head{};
    const auto count = ::pread(fd->get(), head.data(), head.size(), 0);
    if (count < 0 && errno == ESPIPE) return open_pipe(*fd, file);
    if (count < 0) return fail(Fault::io, "{}: cannot be read: {}", file.string(), std::strerror(errno));
    const std::string_view start(head.data(), static_cast<std::size_t>(count));
    if (start.empty()) return fail(Fault::invalid_input, "{}: is empty", file.string());
    if (looks_like_image(start)) return std::make_unique<ImageSource>(file);
    if (start.starts_with(npy_magic)) return open_npy(file);
    auto bytes = read_whole_file(file, most_binary_bytes);
    if (!bytes) return fail(bytes.error());
    return open_binary(std::move(*bytes), file.string());
}

Result<std::vector<std::filesystem::path>> images_in(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> files;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        if (named_like_image(entry->path())) files.push_back(entry->path());
    }
    if (error) return fail(Fault::io, "{}: cannot be listed: {}", directory.string(), error.message());
    if (files.empty())
        return fail(Fault::invalid_input, "{}: holds no PNG, JPEG or PPM image", directory.string());
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

Result<std::unique_ptr<InputSource>> open_array(NpyArray array, const std::string& where) {
    if (array.shape.empty() || array.elements() == 0)
        return fail(Fault::invalid_input, "{}: holds no chunk (an array's first index counts them)", where);
    return std::make_unique<NpySource>(std::move(array), where);
}

bool looks_like_cifar10(std::string_view bytes) {
    if (bytes.empty() || bytes.size() % cifar10_record_bytes != 0) return false;
    for (std::size_t at = 0; at < bytes.size(); at += cifar10_record_bytes) {
        if (static_cast<unsigned char>(bytes[at]) > 9) return false;
    }
    return true;
}

RawInput cifar10_record(std::string_view bytes, std::size_t index, const std::string& where) {
    constexpr int side = 32, plane = side * side;
    assert((index + 1) * cifar10_record_bytes <= bytes.size());
    const auto* record = reinterpret_cast<const std::uint8_t*>(bytes.data()) + index * cifar10_record_bytes;
    Image image{side, side, 3, std::vector<std::uint8_t>(3 * plane)};
    for (int c = 0; c < 3; ++c) {
        for (int i = 0; i < plane; ++i)
            image.pixels[static_cast<std::size_t>(3 * i + c)] = record[1 + c * plane + i];
    }
    return {place(where, index), std::move(image), false, record[0]};
}

bool looks_like_idx(std::string_view bytes) {
    if (bytes.size() < 4 || bytes[0] != 0 || bytes[1] != 0) return false;
    const auto type = static_cast<unsigned char>(bytes[2]);
    return type >= 0x08 && type <= 0x0e && type != 0x0a && bytes[3] != 0;
}

Result<IdxHeader> parse_idx(std::string_view bytes, const std::string& where) {
    if (!looks_like_idx(bytes)) return fail(Fault::invalid_input, "{}: not an IDX file", where);
    if (bytes[2] != 0x08)
        return fail(Fault::invalid_input, "{}: an IDX file of other than unsigned bytes", where);
    const std::size_t rank = static_cast<unsigned char>(bytes[3]);
    IdxHeader header;
    header.data_at = 4 + 4 * rank;
    if (rank > 8 || bytes.size() < header.data_at) {
        return fail(Fault::invalid_input, "{}: an IDX file with a damaged header", where);
    }
    std::uint64_t elements = 1;
    for (std::size_t i = 4; i < header.data_at; i += 4) {
        std::uint32_t extent = 0;
        for (std::size_t k = 0; k < 4; ++k)
            extent = extent << 8 | static_cast<unsigned char>(bytes[i + k]);
        header.shape.push_back(extent);
        elements *= extent;  // below 2^32 * 2^31
        if (extent == 0 || elements > most_binary_bytes) {
            return fail(Fault::invalid_input, "{}: an IDX file with a damaged header", where);
        }
    }
    if (bytes.size() - header.data_at != elements) {
        return fail(Fault::invalid_input, "{}: an IDX file of {} elements, but it holds {} bytes of them",
                    where, elements, bytes.size() - header.data_at);
    }
    return header;
}

RawInput idx_item(std::string_view bytes, const IdxHeader& header, std::size_t index,
                  const std::string& where) {
    assert(index < static_cast<std::size_t>(header.shape[0]));
    const std::size_t size = (bytes.size() - header.data_at) / static_cast<std::size_t>(header.shape[0]);
    const auto item = bytes.substr(header.data_at + index * size, size);
    if (header.shape.size() == 3) {
        Image image{static_cast<int>(header.shape[2]), static_cast<int>(header.shape[1]), 1, {}};
        image.pixels.assign(item.begin(), item.end());
        return {place(where, index), std::move(image), false, std::nullopt};
    }
    const Row row{NpyType::u1, {header.shape.begin() + 1, header.shape.end()}, as_bytes(item)};
    return {place(where, index), row, false, std::nullopt};
}

Result<std::vector<std::unique_ptr<InputSource>>> open_sources(const std::filesystem::path& path) {
    std::vector<std::unique_ptr<InputSource>> sources;
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (status.type() == std::filesystem::file_type::not_found) {
        return fail(Fault::not_found, "{}: no such file or directory", path.string());
    }
    if (error) return fail(Fault::io, "{}: {}", path.string(), error.message());
    if (std::filesystem::is_directory(status)) {
        auto files = images_in(path);
        if (!files) return fail(files.error());
        for (auto& file : *files)
            sources.push_back(std::make_unique<ImageSource>(std::move(file)));
        return sources;
    }
    auto source = open_file(path);
    if (!source) return fail(source.error());
    sources.push_back(std::move(*source));
    return sources;
}

}  // namespace fard
