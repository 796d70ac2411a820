#include "base/npy_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace fard {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t max_rank = 32;           // NumPy's own limit
constexpr std::size_t max_dictionary = 65536;  // a real one has about a hundred characters
constexpr std::size_t alignment = 64;
constexpr std::size_t widest_extent = 19;  // digits of 2^63 - 1

struct TypeRow {
    NpyType type;
    std::string_view code;  // byte order, kind, bytes
    std::string_view name;
    std::size_t bytes;
};
constexpr std::array types = {
    TypeRow{NpyType::b1, "|b1", "bool", 1},
    TypeRow{NpyType::u1, "|u1", "uint8", 1},   TypeRow{NpyType::i1, "|i1", "int8", 1},
    TypeRow{NpyType::u2, "<u2", "uint16", 2},  TypeRow{NpyType::i2, "<i2", "int16", 2},
    TypeRow{NpyType::u4, "<u4", "uint32", 4},  TypeRow{NpyType::i4, "<i4", "int32", 4},
    TypeRow{NpyType::i8, "<i8", "int64", 8},   TypeRow{NpyType::f4, "<f4", "float32", 4},
    TypeRow{NpyType::f8, "<f8", "float64", 8},
};

const TypeRow& row_of(NpyType type) {
    return types[static_cast<std::size_t>(type)];
}

// The dictionary, a Python literal:
//   { 'descr': STRING, 'fortran_order': True|False, 'shape': ( INT, ... ) , }   keys in any order, each once
class Dictionary {
  public:
    explicit Dictionary(std::string_view text) : rest_(text) {}

    Result<> parse() {
        if (!take('{')) return malformed("does not begin with '{'");
        while (!take('}')) {
            const auto key = string();
            if (!key || !take(':')) return malformed("has no 'key': in its place");
            if (auto value = value_of(*key); !value) return value;
            if (!take(',') && peek() != '}') return malformed("lacks a comma");
        }
        skip_space();
        if (!rest_.empty()) return malformed("goes on behind its '}'");
        if (!has_descr_ || !has_order_ || !has_shape_)
            return malformed("must have 'descr', 'fortran_order' and 'shape'");
        return {};
    }

    std::string descr;
    bool fortran_order = false;
    std::vector<std::int64_t> shape;

  private:
    Result<> value_of(std::string_view key) {
        if (key == "descr" && !has_descr_) {
            has_descr_ = true;
            if (peek() == '[') return fail(Fault::unsupported, "it holds records, not plain numbers");
            const auto value = string();
            if (!value) return malformed("has no string for 'descr'");
            descr = *value;
            return {};
        }
        if (key == "fortran_order" && !has_order_) {
            has_order_ = true;
            fortran_order = word("True");
            if (!fortran_order && !word("False"))
                return malformed("has neither True nor False for 'fortran_order'");
            return {};
        }
        if (key == "shape" && !has_shape_) {
            has_shape_ = true;
            return read_shape();
        }
        return malformed(fmt::format("has the key '{}' twice, or should not have it", key));
    }

    Result<> read_shape() {
        if (!take('(')) return malformed("has no tuple for 'shape'");
        while (!take(')')) {
            skip_space();
            std::int64_t extent = -1;
            const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
            if (error == std::errc::result_out_of_range)
                return fail(Fault::corrupt, "its shape has an extent that no memory holds");
            if (error != std::errc{} || extent < 0)
                return malformed("has something else than extents in 'shape'");
            rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
            if (shape.size() == max_rank) return malformed("has more than 32 dimensions");
            shape.push_back(extent);
            if (!take(',') && peek() != ')') return malformed("lacks a comma in 'shape'");
        }
        return {};
    }

    static tl::unexpected<Error> malformed(const std::string& what) {
        return fail(Fault::corrupt, "its header's dictionary {}", what);
    }

    void skip_space() {
        const auto begin = rest_.find_first_not_of(" \t\n");
        rest_.remove_prefix(std::min(begin, rest_.size()));
    }

    char peek() {
        skip_space();
        return rest_.empty() ? '\0' : rest_.front();
    }

    bool take(char c) {
        if (rest_.empty() || peek() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }

    bool word(std::string_view text) {
        skip_space();
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }

    std::optional<std::string> string() {
        const char quote = peek();
        if (quote != '\'' && quote != '"') return std::nullopt;
        const auto end = rest_.find(quote, 1);
        if (end == std::string_view::npos) return std::nullopt;
        std::string text(rest_.substr(1, end - 1));
        rest_.remove_prefix(end + 1);
        return text;
    }

    std::string_view rest_;
    bool has_descr_ = false, has_order_ = false, has_shape_ = false;
};

Result<NpyType> type_of(std::string_view descr) {
    for (const auto& row : types)
        if (descr == row.code ||
            (row.bytes == 1 && descr.size() == 3 && descr.substr(1) == row.code.substr(1)))
            return row.type;
    if (descr.starts_with('>'))
        return fail(Fault::unsupported, "its elements are big-endian ('{}'); save it with .astype('{}')",
                    descr, "<" + std::string(descr.substr(1)));
    if (descr.find('O') != std::string_view::npos)
        return fail(Fault::unsupported, "it holds Python objects, not numbers");
    return fail(
        Fault::unsupported,
        "its element type '{}' is not one that fard reads (uint8, int8, uint16, int16, uint32, int32, int64, "
        "float32, float64)",
        descr);
}

// A column-major array of at most one dimension longer than 1 is a row-major one too.
bool same_in_either_order(const std::vector<std::int64_t>& shape) {
    return std::ranges::count_if(shape, [](auto extent) { return extent > 1; }) <= 1;
}

struct Lead {
    std::size_t dictionary_at = 0, dictionary_bytes = 0;
};

Result<Lead> parse_lead(std::span<const std::byte> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text.substr(0, magic.size()) != magic) return fail(Fault::corrupt, "it is not an .npy file");
    if (bytes.size() < 10) return fail(Fault::corrupt, "it ends inside its header");
    const auto byte = [&](std::size_t at) { return std::to_integer<std::size_t>(bytes[at]); };
    const auto major = byte(6);
    if (major < 1 || major > 3) return fail(Fault::unsupported, "its format {} is not 1, 2 or 3", major);
    Lead lead;
    lead.dictionary_at = major == 1 ? 10 : 12;
    if (bytes.size() < lead.dictionary_at) return fail(Fault::corrupt, "it ends inside its header");
    lead.dictionary_bytes = byte(8) | byte(9) << 8;
    if (major > 1) lead.dictionary_bytes |= byte(10) << 16 | byte(11) << 24;
    if (lead.dictionary_bytes > max_dictionary)
        return fail(Fault::corrupt, "its header is larger than 64 KiB");
    if (bytes.size() - lead.dictionary_at < lead.dictionary_bytes)
        return fail(Fault::corrupt, "it ends inside its header");
    return lead;
}

}  // namespace

std::size_t bytes_of(NpyType type) {
    return row_of(type).bytes;
}
std::string_view name_of(NpyType type) {
    return row_of(type).name;
}

Result<std::size_t> npy_data_bytes(NpyType type, const std::vector<std::int64_t>& shape) {
    std::int64_t bytes = static_cast<std::int64_t>(bytes_of(type));
    bool empty = false;
    for (const auto extent : shape) {
        if (extent < 0) return fail(Fault::corrupt, "its shape has a negative extent");
        if (extent == 0) empty = true;
        if (extent > 0 && __builtin_mul_overflow(bytes, extent, &bytes))
            return fail(Fault::corrupt, "its shape takes more bytes than any memory has");
    }
    if (bytes > std::min(std::int64_t{1} << 62, std::int64_t{std::numeric_limits<std::ptrdiff_t>::max()}))
        return fail(Fault::corrupt, "its shape takes more bytes than any memory has");
    return empty ? 0 : static_cast<std::size_t>(bytes);
}

Result<NpyHeader> parse_npy_header(std::span<const std::byte> bytes) {
    const auto lead = parse_lead(bytes);
    if (!lead) return fail(lead.error());
    Dictionary dictionary(
        {reinterpret_cast<const char*>(bytes.data()) + lead->dictionary_at, lead->dictionary_bytes});
    if (auto parsed = dictionary.parse(); !parsed) return fail(parsed.error());
    const auto type = type_of(dictionary.descr);
    if (!type) return fail(type.error());
    const auto data_bytes = npy_data_bytes(*type, dictionary.shape);
    if (!data_bytes) return fail(data_bytes.error());
    if (dictionary.fortran_order && !same_in_either_order(dictionary.shape))
        return fail(Fault::unsupported, "it is in Fortran order; save it with numpy.ascontiguousarray");
    return NpyHeader{*type, std::move(dictionary.shape), lead->dictionary_at + lead->dictionary_bytes,
                     *data_bytes};
}

Result<std::string> npy_header(NpyType type, const std::vector<std::int64_t>& shape) {
    if (shape.size() > max_rank) return fail(Fault::invalid_input, "an .npy array has at most 32 dimensions");
    if (std::ranges::any_of(shape, [](auto extent) { return extent < 0; }))
        return fail(Fault::invalid_input, "an extent of an .npy array is negative");
    const auto dictionary =
        fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", row_of(type).code,
                    fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
    const std::size_t first_digits = shape.empty() ? widest_extent : std::to_string(shape.front()).size();
    const std::size_t longest = 10 + dictionary.size() + (widest_extent - first_digits) + 1;
    const std::size_t total = (longest + alignment - 1) / alignment * alignment;
    std::string header(magic);
    header += {'\1', '\0', static_cast<char>((total - 10) & 0xff), static_cast<char>((total - 10) >> 8)};
    header += dictionary;
    header.resize(total - 1, ' ');
    return header + '\n';
}

}  // namespace fard
