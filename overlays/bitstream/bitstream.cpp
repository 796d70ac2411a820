#include "overlays/bitstream/bitstream.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "overlays/bitstream/packets.hpp"

namespace fard::bitstream {
namespace {

constexpr std::string_view preamble("\x0f\xf0\x0f\xf0\x0f\xf0\x0f\xf0\x00", 9);
constexpr std::string_view sync_plain("\xaa\x99\x55\x66", 4);
constexpr std::string_view sync_swapped("\x66\x55\x99\xaa", 4);
constexpr std::size_t sync_search_bytes = std::size_t{1} << 16;

// Reads big-endian fields, each after a look at what is left.
class FieldReader {
  public:
    FieldReader(std::string_view bytes, std::size_t at) : bytes_(bytes), at_(at) {}

    std::optional<std::uint32_t> number(std::size_t width) {
        if (bytes_.size() - at_ < width) return std::nullopt;
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < width; ++i) value = value << 8 | static_cast<unsigned char>(bytes_[at_++]);
        return value;
    }
    // A length of two bytes, then text that ends with a NUL.
    std::optional<std::string> text() {
        const auto length = number(2);
        if (!length || bytes_.size() - at_ < *length) return std::nullopt;
        std::string value(bytes_.substr(at_, *length));
        at_ += *length;
        value.resize(std::min(value.find('\0'), value.size()));
        return value;
    }
    std::size_t at() const { return at_; }

  private:
    std::string_view bytes_;
    std::size_t at_;
};

bool is_bit_file(std::string_view file) {
    return file.size() > 13 && file.substr(0, 2) == std::string_view("\x00\x09", 2) && file.substr(2, 9) == preamble &&
           file.substr(11, 2) == std::string_view("\x00\x01", 2);
}

Result<> read_header(std::string_view file, const std::string& where, Bitstream& out) {
    FieldReader reader(file, 13);
    BitHeader header;
    for (;;) {
        const auto key = reader.number(1);
        if (key == 'e') break;
        const auto value = key ? reader.text() : std::nullopt;
        if (!value) return fail(Fault::corrupt, "{} is truncated: it ends inside its header; copy it again", where);
        if (std::ranges::any_of(*value, [](unsigned char c) { return c < ' ' || c > '~'; }))
            return fail(Fault::corrupt, "{}: its header's field '{}' is no text; copy it again", where,
                        *key > ' ' && *key < 0x7f ? static_cast<char>(*key) : '?');
        if (key == 'a') header.design = *value;
        else if (key == 'b') header.part = *value;
        else if (key == 'c') header.date = *value;
        else if (key == 'd') header.time = *value;
        else return fail(Fault::corrupt, "{}: its header has a field of an unknown kind (0x{:02x})", where, *key);
    }
    const auto length = reader.number(4);
    if (!length) return fail(Fault::corrupt, "{} is truncated: it ends inside its header; copy it again", where);
    if (reader.at() + std::uint64_t{*length} != file.size())
        return fail(Fault::corrupt,
                    "{} is {}: its header says {} bytes of configuration, and {} follow it; copy it again", where,
                    reader.at() + std::uint64_t{*length} > file.size() ? "truncated" : "too long", *length,
                    file.size() - reader.at());
    const auto says = [&](std::string_view key) { return header.design.find(key) != std::string::npos; };
    out.partial = says(";PARTIAL=TRUE");
    out.compressed = says(";COMPRESS=TRUE");
    out.encrypted = says(";ENCRYPT=YES");
    out.offset = reader.at();
    out.bytes = *length;
    out.header = std::move(header);
    return {};
}

// What a file without a sync word may be instead.
std::string_view looks_like(std::string_view file) {
    if (file.starts_with("xclbin2")) return "an .xclbin, which XRT loads onto Alveo cards";
    if (file.size() > 0x28 && file.substr(0x24, 4) == "XNLX") return "a boot image (BOOT.BIN), not a bitstream alone";
    if (file.starts_with("\x7f" "ELF")) return "an ELF program";
    if (file.starts_with("PK")) return "a zip archive";
    if (file.starts_with("\x1f\x8b")) return "compressed by gzip";
    if (file.starts_with("version https://git-lfs")) return "a pointer of Git LFS; fetch the file itself (git lfs pull)";
    return "";
}

tl::unexpected<Error> no_sync_word(std::string_view file, std::string_view words, const std::string& where) {
    for (const auto sync : {sync_plain, sync_swapped})
        if (const auto at = words.substr(0, sync_search_bytes).find(sync); at != std::string_view::npos)
            return fail(Fault::corrupt, "{}: its sync word is at byte {}, not at a multiple of four: bytes were lost or added",
                        where, at);
    if (const auto other = looks_like(file); !other.empty())
        return fail(Fault::invalid_input, "{} is no bitstream: it looks like {}", where, other);
    return fail(Fault::invalid_input, "{} is no bitstream: there is no sync word (AA995566) in its first {} bytes", where,
                std::min(sync_search_bytes, words.size()));
}

// Errors: as no_sync_word.
Result<> find_sync(std::string_view file, const std::string& where, Bitstream& out) {
    const auto words = file.substr(out.offset, out.bytes);
    const auto end = std::min(words.size(), sync_search_bytes);
    for (std::size_t at = 0; at + 4 <= end; at += 4) {
        const auto word = words.substr(at, 4);
        if (word != sync_plain && word != sync_swapped) continue;
        out.swapped = word == sync_swapped;
        out.sync_at = at;
        return {};
    }
    return no_sync_word(file, words, where);
}

}  // namespace

Result<Bitstream> read_bitstream(std::string_view file, const std::string& where) {
    if (file.empty()) return fail(Fault::corrupt, "{} is empty; copy it again", where);
    if (file.size() > max_file_bytes)
        return fail(Fault::invalid_input, "{} is no bitstream: {} bytes are more than any has", where, file.size());
    Bitstream out;
    out.bytes = file.size();
    if (is_bit_file(file))
        if (auto read = read_header(file, where, out); !read) return fail(read.error());
    if (auto found = find_sync(file, where, out); !found) return fail(found.error());
    if (out.bytes % 4 != 0)
        return fail(Fault::corrupt, "{} is truncated: its {} bytes of configuration are no whole words; copy it again", where,
                    out.bytes);
    if (auto read = read_packets(file.substr(out.offset + out.sync_at, out.bytes - out.sync_at), where, out); !read)
        return fail(read.error());
    return out;
}

std::string to_bin(std::string_view file, const Bitstream& bitstream) {
    std::string words(file.substr(bitstream.offset, bitstream.bytes));
    if (bitstream.swapped) return words;
    for (std::size_t at = 0; at + 4 <= words.size(); at += 4) {
        std::swap(words[at], words[at + 3]);
        std::swap(words[at + 1], words[at + 2]);
    }
    return words;
}

}  // namespace fard::bitstream
