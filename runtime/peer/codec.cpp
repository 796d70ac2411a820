#include "runtime/peer/codec.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <limits>
#include <msgpack.hpp>
#include <optional>

#include "runtime/peer/messages.hpp"

namespace fard::wire {
namespace {

constexpr unsigned max_depth = 16;         // the deepest message of the table nests 8 containers
constexpr std::size_t growth = 64;         // decoded bytes allowed for each byte of input
constexpr std::size_t growth_base = 4096;  // and for any input
constexpr std::size_t largest_unknown = 64 * kib;  // of a message that we do not know, to be answered
constexpr std::size_t max_rank = 8;        // dimensions of a tensor
constexpr std::int64_t max_tensor_bits = (1LL << 32) - 1;  // so that a board of 32 bits can count a tensor's bits

template <typename T>
constexpr bool is_vector = false;
template <typename T>
constexpr bool is_vector<std::vector<T>> = true;

// ---- the table, row by row

struct Row {
    std::uint16_t type;
    std::uint16_t version;
    std::size_t cap;
    const char* name;
};

template <typename... Messages>
constexpr std::array<Row, sizeof...(Messages)> rows_of(std::tuple<Messages...>*) {
    return {Row{Messages::type, Messages::version, Messages::cap, Messages::name}...};
}
constexpr auto rows = rows_of(static_cast<Table*>(nullptr));

constexpr bool types_are_unique() {
    for (std::size_t a = 0; a < rows.size(); ++a) {
        for (std::size_t b = a + 1; b < rows.size(); ++b) {
            if (rows[a].type == rows[b].type) return false;
        }
    }
    return true;
}
static_assert(types_are_unique());

constexpr std::size_t largest_cap() {
    std::size_t largest = 0;
    for (const auto& row : rows)
        largest = std::max(largest, row.cap);
    return largest;
}

std::optional<std::size_t> row_of(std::uint64_t type) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i].type == type) return i;
    }
    return std::nullopt;
}

std::size_t index_of(const Body& body) {
    const auto row = row_of(body.type());
    assert(row);
    return *row;
}

// ---- writing

struct Buffer {
    std::string bytes;
    void write(const char* data, std::size_t size) { bytes.append(data, size); }
};
using Packer = msgpack::packer<Buffer>;

void write_text(Packer& packer, std::string_view text) {
    packer.pack_str(static_cast<std::uint32_t>(text.size()));
    packer.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
}

template <typename T>
void write(Packer& packer, const T& value);

template <typename T>
void write_map(Packer& packer, const T& value) {
    std::apply(
        [&](const auto&... fields) {
            packer.pack_map(sizeof...(fields));
            (
                [&](const auto& field) {
                    write_text(packer, field.key);
                    if constexpr (std::decay_t<decltype(field)>::is_blob) {
                        const std::string& bytes = value.*field.member;
                        packer.pack_bin(static_cast<std::uint32_t>(bytes.size()));
                        packer.pack_bin_body(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
                    } else {
                        write(packer, value.*field.member);
                    }
                }(fields),
                ...);
        },
        fields_of<T>());
}

template <typename T>
void write(Packer& packer, const T& value) {
    if constexpr (std::is_same_v<T, bool> || std::is_integral_v<T>) {
        packer.pack(value);
    } else if constexpr (std::is_same_v<T, std::string>) {
        write_text(packer, value);
    } else if constexpr (std::is_same_v<T, PeerId> || std::is_same_v<T, RunId>) {
        write_text(packer, value.hex);
    } else if constexpr (std::is_same_v<T, Endpoint>) {
        write_text(packer, value.text());
    } else if constexpr (std::is_same_v<T, PublicKey>) {
        write_text(packer, value.hex);
    } else if constexpr (std::is_same_v<T, Epoch>) {
        packer.pack_array(2).pack(value.attempt).pack(value.wiring);
    } else if constexpr (std::is_same_v<T, DataType>) {
        write_text(packer, value.name());
    } else if constexpr (is_vector<T>) {
        packer.pack_array(static_cast<std::uint32_t>(value.size()));
        for (const auto& element : value)
            write(packer, element);
    } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
        packer.pack_map(static_cast<std::uint32_t>(value.size()));
        for (const auto& [key, text] : value) {
            write_text(packer, key);
            write_text(packer, text);
        }
    } else {
        write_map(packer, value);
    }
}

// ---- measuring: one pass over the bytes that allocates nothing but msgpack's own small stack

class Measure : public msgpack::null_visitor {
  public:
    // `any_type`: also one that is not in the table.
    explicit Measure(std::size_t total, bool any_type = false) : total_(total), any_type_(any_type) {}

    Result<std::size_t> row() const {
        if (error_) return tl::unexpected<Error>(*error_);
        return row_;
    }

    bool visit_nil() { return scalar(); }
    bool visit_boolean(bool) { return scalar(); }
    bool visit_negative_integer(std::int64_t) { return scalar(); }
    bool visit_float32(float) { return scalar(); }
    bool visit_float64(double) { return scalar(); }
    bool visit_bin(const char*, std::uint32_t) { return scalar(); }
    bool visit_ext(const char*, std::uint32_t) { return scalar(); }
    bool visit_str(const char* text, std::uint32_t size) {
        if (next_ != Next::type_key) return scalar();
        if (std::string_view(text, size) != "t") return stop("a message starts with its type, key \"t\"");
        next_ = Next::type;
        return true;
    }
    bool visit_positive_integer(std::uint64_t value) {
        return next_ == Next::type ? take_type(value) : scalar();
    }
    bool start_array(std::uint32_t elements) { return next_ == Next::rest ? open(elements) : scalar(); }
    bool start_map(std::uint32_t pairs) {
        if (next_ == Next::map) {
            if (pairs == 0) return stop("an empty map is no message");
            next_ = Next::type_key;
            return open(2 * std::size_t{pairs});
        }
        return next_ == Next::rest ? open(2 * std::size_t{pairs}) : scalar();
    }
    bool end_array() { return close(); }
    bool end_map() { return close(); }
    void parse_error(std::size_t offset, std::size_t) { malformed(offset); }
    void insufficient_bytes(std::size_t offset, std::size_t) { malformed(offset); }

  private:
    enum class Next { map, type_key, type, rest };

    bool stop(std::string why, Fault fault = Fault::corrupt) {
        if (!error_) error_ = Error{fault, std::move(why)};
        return false;
    }
    void malformed(std::size_t offset) {
        stop(fmt::format("malformed or cut off at byte {} of {}", offset, total_));
    }
    bool scalar() { return next_ == Next::rest || stop("not a message: a map that starts with its type"); }
    bool close() {
        --depth_;
        return true;
    }
    // Each element takes at least one byte, so more of them than bytes is a lie.
    bool open(std::size_t elements) {
        if (++depth_ > max_depth) return stop(fmt::format("nested deeper than {} levels", max_depth));
        declared_ += elements;
        return declared_ < total_ || stop(fmt::format("{} bytes cannot hold {} elements", total_, declared_));
    }
    bool take_type(std::uint64_t type) {
        if (any_type_) {
            next_ = Next::rest;
            return true;
        }
        const auto row = row_of(type);
        if (!row) return stop(fmt::format("unknown message type {}", type), Fault::unsupported);
        if (total_ > rows[*row].cap) {
            return stop(fmt::format("{} of {} bytes, more than its cap of {}", rows[*row].name, total_,
                                    rows[*row].cap));
        }
        row_ = *row;
        next_ = Next::rest;
        return true;
    }

    std::size_t total_;
    bool any_type_;
    std::size_t declared_ = 0;
    unsigned depth_ = 0;
    Next next_ = Next::map;
    std::size_t row_ = 0;
    std::optional<Error> error_;
};

Result<std::size_t> measure(std::string_view bytes, bool any_type = false) {
    if (bytes.empty()) return fail(Fault::corrupt, "an empty message");
    if (bytes.size() > largest_cap())
        return fail(Fault::corrupt, "{} bytes, more than any message may have", bytes.size());
    Measure visitor(bytes.size(), any_type);
    std::size_t offset = 0;
    const bool whole = msgpack::parse(bytes.data(), bytes.size(), offset, visitor);
    auto row = visitor.row();
    if (!row) return row;
    if (!whole) return fail(Fault::corrupt, "malformed or cut off at byte {} of {}", offset, bytes.size());
    if (offset != bytes.size())
        return fail(Fault::corrupt, "{} bytes after the message", bytes.size() - offset);
    return row;
}

// ---- reading

// Reads the parsed tree into structs. Every read returns false after the first thing that is wrong; `why`
// says what, and the names of the fields on the way to it are put before it as the calls return.
class Reader {
  public:
    explicit Reader(std::size_t input) : budget_(growth * input + growth_base) {}
    std::string why() const { return path_ + ": " + why_; }

    template <typename T>
    bool read_map(const msgpack::object& object, T& out) {
        if (object.type != msgpack::type::MAP) return wrong("expected a map");
        for (const auto& pair : std::span(object.via.map.ptr, object.via.map.size)) {
            const auto key = text_of(pair.key);
            if (!key) return wrong("a key that is no string");
            bool good = true;
            std::apply(
                [&](const auto&... fields) {
                    static_cast<void>(
                        ((*key == fields.key &&
                          (good = read_field(fields.key, pair.val, out.*fields.member), true)) ||
                         ...));
                },
                fields_of<T>());
            if (!good) return false;
        }
        return true;
    }

    template <typename T>
    bool read_field(const char* key, const msgpack::object& object, T& out) {
        if (read(object, out)) return true;
        path_.insert(0, std::string(".") + key);
        return false;
    }

    template <typename T>
    bool read(const msgpack::object& object, T& out) {
        if constexpr (std::is_same_v<T, bool>) {
            if (object.type != msgpack::type::BOOLEAN) return wrong("expected true or false");
            out = object.via.boolean;
            return true;
        } else if constexpr (std::is_integral_v<T>) {
            return read_integer(object, out);
        } else if constexpr (std::is_same_v<T, std::string>) {
            const auto text = text_of(object);
            if (!text) return wrong("expected a string");
            if (!afford(text->size())) return false;
            out.assign(*text);
            return true;
        } else if constexpr (std::is_same_v<T, PeerId> || std::is_same_v<T, RunId>) {
            const auto text = text_of(object);
            if (!text || !(text->empty() || is_id(*text))) return wrong("expected 32 hex digits");
            out.hex.assign(*text);
            return true;
        } else if constexpr (std::is_same_v<T, Endpoint>) {
            return read_endpoint(object, out);
        } else if constexpr (std::is_same_v<T, PublicKey>) {
            const auto text = text_of(object);
            if (!text || !(text->empty() || is_public_key(*text))) return wrong("expected 64 hex digits");
            out.hex.assign(*text);
            return true;
        } else if constexpr (std::is_same_v<T, Epoch>) {
            if (object.type != msgpack::type::ARRAY || object.via.array.size != 2)
                return wrong("expected two integers");
            return read(object.via.array.ptr[0], out.attempt) && read(object.via.array.ptr[1], out.wiring);
        } else if constexpr (std::is_same_v<T, DataType>) {
            return read_type(object, out);
        } else if constexpr (is_vector<T>) {
            return read_vector(object, out);
        } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
            return read_params(object, out);
        } else if constexpr (std::is_same_v<T, TensorDesc>) {
            return read_map(object, out) && check_shape(out);
        } else {
            return read_map(object, out);
        }
    }

  private:
    bool wrong(std::string_view what) {
        why_.assign(what);
        return false;
    }
    bool afford(std::size_t bytes) {
        if (bytes > budget_) return wrong("unfolds to far more than its size");
        budget_ -= bytes;
        return true;
    }

    static std::optional<std::string_view> text_of(const msgpack::object& object) {
        if (object.type == msgpack::type::STR) {
            return object.via.str.size == 0 ? std::string_view()
                                            : std::string_view(object.via.str.ptr, object.via.str.size);
        }
        if (object.type == msgpack::type::BIN) {
            return object.via.bin.size == 0 ? std::string_view()
                                            : std::string_view(object.via.bin.ptr, object.via.bin.size);
        }
        return std::nullopt;
    }

    // A place to connect to, or none.
    bool read_endpoint(const msgpack::object& object, Endpoint& out) {
        const auto text = text_of(object);
        if (!text) return wrong("expected an endpoint");
        if (text->empty()) return out = Endpoint(), true;
        auto endpoint = Endpoint::parse_remote(*text);
        if (!endpoint) return wrong("not an endpoint that can be connected to");
        if (!afford(text->size())) return false;
        out = std::move(*endpoint);
        return true;
    }

    template <typename T>
    bool read_integer(const msgpack::object& object, T& out) {
        if (object.type == msgpack::type::POSITIVE_INTEGER) {
            if (!std::in_range<T>(object.via.u64)) return wrong("a number out of range");
            out = static_cast<T>(object.via.u64);
            return true;
        }
        if (object.type == msgpack::type::NEGATIVE_INTEGER) {
            if (!std::in_range<T>(object.via.i64)) return wrong("a number out of range");
            out = static_cast<T>(object.via.i64);
            return true;
        }
        return wrong("expected an integer");
    }

    bool read_type(const msgpack::object& object, DataType& out) {
        const auto text = text_of(object);
        if (!text) return wrong("expected the name of a data type");
        const auto type = DataType::parse(text->substr(0, 32));
        if (!type) return wrong(type.error().message);
        out = *type;
        return true;
    }

    template <typename T>
    bool read_vector(const msgpack::object& object, std::vector<T>& out) {
        if (object.type != msgpack::type::ARRAY) return wrong("expected an array");
        const auto& array = object.via.array;
        if (!afford(array.size * sizeof(T))) return false;
        out.clear();
        out.resize(array.size);
        for (std::uint32_t i = 0; i < array.size; ++i) {
            if (read(array.ptr[i], out[i])) continue;
            path_.insert(0, fmt::format("[{}]", i));
            return false;
        }
        return true;
    }

    bool read_params(const msgpack::object& object, std::map<std::string, std::string>& out) {
        if (object.type != msgpack::type::MAP) return wrong("expected a map");
        out.clear();
        for (const auto& pair : std::span(object.via.map.ptr, object.via.map.size)) {
            const auto key = text_of(pair.key);
            const auto text = text_of(pair.val);
            if (!key || !text) return wrong("expected a map of strings");
            if (!afford(128 + key->size() + text->size())) return false;
            out.insert_or_assign(std::string(*key), std::string(*text));
        }
        return true;
    }

    bool check_shape(const TensorDesc& tensor) {
        if (tensor.shape.size() > max_rank) return wrong("more than 8 dimensions");
        std::int64_t elements = 1;
        for (const auto extent : tensor.shape) {
            if (extent < 1 || extent > max_tensor_bits / elements) return wrong("an extent out of range");
            elements *= extent;
        }
        if (elements > max_tensor_bits / std::max<std::int64_t>(1, tensor.type.wire_bits()))
            return wrong("a tensor of 512 MiB or more");
        return true;
    }

    std::size_t budget_;
    std::string path_;  // of the field that is wrong
    std::string why_;
};

// ---- sizes

template <typename T>
std::size_t held_by(const T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
        return value.capacity();
    } else if constexpr (is_vector<T>) {
        std::size_t bytes = value.capacity() * sizeof(typename T::value_type);
        for (const auto& element : value)
            bytes += held_by(element);
        return bytes;
    } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
        std::size_t bytes = 0;
        for (const auto& [key, text] : value)
            bytes += 128 + key.capacity() + text.capacity();
        return bytes;
    } else if constexpr (std::is_integral_v<T> || std::is_same_v<T, Epoch> || std::is_same_v<T, DataType>) {
        return 0;
    } else if constexpr (std::is_same_v<T, PeerId> || std::is_same_v<T, RunId> || std::is_same_v<T, PublicKey>) {
        return value.hex.capacity();
    } else if constexpr (std::is_same_v<T, Endpoint>) {
        return value.text().capacity();
    } else {
        return std::apply(
            [&](const auto&... fields) { return (std::size_t{0} + ... + held_by(value.*fields.member)); },
            fields_of<T>());
    }
}

// ---- messages

// The outer map, without "b" (whose type depends on "t").
struct Head {
    std::uint16_t type = 0;
    std::uint16_t version = 0;
    std::uint64_t request = 0;
    bool answer = false;
    PeerId from;
    std::uint64_t lamport = 0;
    static constexpr auto fields =
        std::tuple{field("t", &Head::type),   field("v", &Head::version), field("q", &Head::request),
                   field("a", &Head::answer), field("f", &Head::from),    field("l", &Head::lamport)};
};

// What is done with a body, by its row of the table.
struct BodyWork {
    std::optional<Body> (*read)(Reader&, const msgpack::object&);  // none: the reader says why
    void (*write)(Packer&, const Body&);
    std::size_t (*held_by)(const Body&);
};

template <typename Message>
std::optional<Body> read_body(Reader& reader, const msgpack::object& object) {
    Message message;
    if (!reader.read_map(object, message)) return std::nullopt;
    return Body(std::move(message));
}
template <typename Message>
void write_body(Packer& packer, const Body& body) {
    write_map(packer, *body.as<Message>());
}
template <typename Message>
std::size_t body_holds(const Body& body) {
    return sizeof(Message) + held_by(*body.as<Message>());
}
template <typename... Messages>
constexpr std::array<BodyWork, sizeof...(Messages)> work_of(std::tuple<Messages...>*) {
    return {BodyWork{&read_body<Messages>, &write_body<Messages>, &body_holds<Messages>}...};
}
constexpr auto work = work_of(static_cast<Table*>(nullptr));

msgpack::object_handle unpack(std::string_view bytes) {
    std::size_t offset = 0;
    bool referenced = false;
    return msgpack::unpack(bytes.data(), bytes.size(), offset, referenced,
                           [](msgpack::type::object_type, std::size_t, void*) { return true; });
}

const msgpack::object* find_body(const msgpack::object& map) {
    for (const auto& pair : std::span(map.via.map.ptr, map.via.map.size)) {
        if (pair.key.type == msgpack::type::STR && pair.key.via.str.size == 1 && *pair.key.via.str.ptr == 'b')
            return &pair.val;
    }
    return nullptr;
}

Result<Decoded> read_message(std::size_t row, std::string_view bytes) {
    const char* name = rows[row].name;
    const auto parsed = unpack(bytes);
    const msgpack::object& map = parsed.get();

    Reader reader(bytes.size());
    Head head;
    if (!reader.read_map(map, head)) return fail(Fault::corrupt, "{}{}", name, reader.why());
    if (head.type != rows[row].type) return fail(Fault::corrupt, "{}: two different types", name);
    if (head.version == 0) return fail(Fault::corrupt, "{}: no version", name);
    if (head.version > rows[row].version) {
        return fail(Fault::unsupported, "{} of version {}, newer than our {}", name, head.version,
                    rows[row].version);
    }
    const auto* object = find_body(map);
    if (object == nullptr) return fail(Fault::corrupt, "{}: no body", name);

    auto body = work[row].read(reader, *object);
    if (!body) return fail(Fault::corrupt, "{}{}", name, reader.why());
    return Decoded{Envelope{std::move(head.from), head.request, head.answer, head.lamport}, std::move(*body)};
}

// ---- the table as text

template <typename Message>
TableRow describe() {
    TableRow row{Message::type, Message::version, Message::cap, Message::name, ""};
    std::apply(
        [&](const auto&... fields) {
            ((row.fields += (row.fields.empty() ? "" : ", ") + std::string(fields.key)), ...);
        },
        Message::fields);
    return row;
}

}  // namespace

std::string encode(const Envelope& envelope, const Body& body) {
    Buffer buffer;
    Packer packer(buffer);
    packer.pack_map(7);
    const std::size_t index = index_of(body);
    const Row& row = rows[index];
    const auto entry = [&](const char* key, const auto& value) {
        write_text(packer, key);
        write(packer, value);
    };
    entry("t", row.type);
    entry("v", row.version);
    entry("q", envelope.request);
    entry("a", envelope.answer);
    entry("f", envelope.from);
    entry("l", envelope.lamport);
    write_text(packer, "b");
    work[index].write(packer, body);
    return std::move(buffer.bytes);
}

Result<Decoded> decode(std::string_view bytes) {
    try {
        return measure(bytes).and_then([&](std::size_t row) { return read_message(row, bytes); });
    } catch (const std::exception& error) {
        return fail(Fault::corrupt, "undecodable: {}", error.what());
    }
}

std::optional<Envelope> envelope_of(std::string_view bytes) {
    if (bytes.size() > largest_unknown) return std::nullopt;
    try {
        if (!measure(bytes, true)) return std::nullopt;
        const auto parsed = unpack(bytes);
        Head head;
        if (!Reader(bytes.size()).read_map(parsed.get(), head)) return std::nullopt;
        return Envelope{std::move(head.from), head.request, head.answer, head.lamport};
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

const char* name_of(const Body& body) {
    return rows[index_of(body)].name;
}
std::size_t cap_of(const Body& body) {
    return rows[index_of(body)].cap;
}

Result<> check_size(const Body& body) {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    const Envelope largest{PeerId{std::string(32, 'f')}, most, true, most};
    const auto bytes = encode(largest, body).size();
    if (bytes <= cap_of(body)) return {};
    return fail(Fault::invalid_input, "{} of {} bytes is more than the {} that a receiver takes",
                name_of(body), bytes, cap_of(body));
}

std::size_t footprint(const Body& body) {
    return sizeof(Body) + work[index_of(body)].held_by(body);
}

std::vector<TableRow> table_rows() {
    return []<typename... Messages>(std::tuple<Messages...>*) {
        return std::vector<TableRow>{describe<Messages>()...};
    }(static_cast<Table*>(nullptr));
}

}  // namespace fard::wire
