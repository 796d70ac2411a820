#include "runtime/peer/chunk_header.hpp"

#include <bit>
#include <cassert>
#include <cstring>
#include <limits>
#include <msgpack.hpp>
#include <utility>

namespace fard {

std::string short_form(const TensorDesc& tensor) {
    return fmt::format("{} {}", tensor.type.name(), fmt::join(tensor.shape, "x"));
}

// ---- writing, and comparing with what we would have written

namespace {

constexpr char marker_uint64 = '\xcf', marker_uint32 = '\xce', marker_triple = '\x93';
constexpr std::size_t uint64_bytes = 1 + 8;
constexpr std::size_t triple_bytes = 1 + 3 * uint64_bytes;
constexpr std::size_t index_to_trace = 8 + 2 + 3;  // the index, the key of the trace, and how long it is

void put_uint64(char* at, std::uint64_t value) {
    if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap64(value);
    std::memcpy(at, &value, sizeof value);
}

std::uint64_t get(const char* at) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, sizeof value);
    if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap64(value);
    return value;
}

// Appends MessagePack to a string, every integer in a fixed width.
struct Writer {
    std::string out;

    void raw(std::uint64_t value, int bytes) {
        for (int i = bytes - 1; i >= 0; --i)
            out.push_back(static_cast<char>(value >> (8 * i)));
    }
    void map(std::uint8_t entries) { out.push_back(static_cast<char>(0x80 | entries)); }
    void array(std::size_t entries) {
        out.push_back('\xdc');
        raw(entries, 2);
    }
    void text(std::string_view value) {
        out.push_back('\xda');
        raw(value.size(), 2);
        out += value;
    }
    void key(char name) {
        out.push_back('\xa1');
        out.push_back(name);
    }
    void uint32(std::uint32_t value) {
        out.push_back(marker_uint32);
        raw(value, 4);
    }
    void uint64(std::uint64_t value) {
        out.push_back(marker_uint64);
        raw(value, 8);
    }
    void triple(const TraceStamp& stamp) {
        out.push_back(marker_triple);
        uint64(stamp.received);
        uint64(stamp.started);
        uint64(stamp.finished);
    }
};

}  // namespace

Result<HeaderForm> HeaderForm::of(const RunId& run, Epoch epoch, const std::vector<TensorDesc>& tensors,
                                  std::uint32_t positions) {
    if (tensors.empty() || tensors.size() > ChunkHeader::max_tensors)
        return fail(Fault::invalid_input, "a link carries 1 to {} tensors, not {}", ChunkHeader::max_tensors,
                    tensors.size());
    if (positions > ChunkHeader::max_positions)
        return fail(Fault::invalid_input, "a pipeline has at most {} positions, not {}",
                    ChunkHeader::max_positions, positions);
    std::vector<std::string> forms;
    std::size_t bytes = run.hex.size();
    for (const auto& tensor : tensors)
        bytes += forms.emplace_back(short_form(tensor)).size();
    if (bytes + positions * triple_bytes + 1024 > ChunkHeader::cap)
        return fail(Fault::invalid_input, "the chunk header of this link would be larger than {} KiB",
                    ChunkHeader::cap / 1024);
    return HeaderForm(run, epoch, std::move(forms), positions);
}

HeaderForm::HeaderForm(RunId run, Epoch epoch, std::vector<std::string> tensors, std::uint32_t positions)
    : run_(std::move(run)), epoch_(epoch), tensors_(std::move(tensors)), positions_(positions) {
    Writer writer;
    writer.map(7);
    writer.key('t'), writer.uint32(ChunkHeader::type);
    writer.key('v'), writer.uint32(ChunkHeader::version);
    writer.key('r'), writer.text(run_.hex);
    writer.key('e'), writer.array(2), writer.uint32(epoch_.attempt), writer.uint32(epoch_.wiring);
    writer.key('d'), writer.array(tensors_.size());
    for (const auto& tensor : tensors_)
        writer.text(tensor);
    writer.key('i'), writer.uint64(0);
    index_at_ = writer.out.size() - 8;
    writer.key('s'), writer.array(positions_);
    assert(writer.out.size() == index_at_ + index_to_trace);
    for (std::uint32_t i = 0; i < positions_; ++i)
        writer.triple({});
    template_ = std::move(writer.out);
}

bool HeaderForm::has_form(std::string_view header) const {
    if (header.size() != template_.size()) return false;
    const char *const bytes = header.data(), *const trace = bytes + index_at_ + index_to_trace;
    constexpr std::size_t fixed = index_to_trace - 8;
    if (std::memcmp(bytes, template_.data(), index_at_) != 0) return false;
    if (std::memcmp(trace - fixed, template_.data() + index_at_ + 8, fixed) != 0) return false;
    bool markers = true;
    for (const char* at = trace; at != bytes + header.size(); at += triple_bytes)
        markers &= at[0] == marker_triple && at[1] == marker_uint64 &&
                   at[1 + uint64_bytes] == marker_uint64 && at[1 + 2 * uint64_bytes] == marker_uint64;
    return markers;
}

void HeaderForm::write(char* header, std::uint64_t index, std::span<const TraceStamp> trace) const {
    put_uint64(header + index_at_, index);
    char* at = header + index_at_ + index_to_trace + 2;
    for (std::uint32_t i = 0; i < positions_; ++i, at += triple_bytes) {
        const TraceStamp stamp = i < trace.size() ? trace[i] : TraceStamp{};
        put_uint64(at, stamp.received);
        put_uint64(at + uint64_bytes, stamp.started);
        put_uint64(at + 2 * uint64_bytes, stamp.finished);
    }
}

Frame HeaderForm::make(std::uint64_t index, std::span<const TraceStamp> trace) const {
    Frame header(bytes());
    put(header.writable(), index, trace);
    return header;
}

void HeaderForm::put(std::span<std::byte> header, std::uint64_t index, std::span<const TraceStamp> trace) const {
    assert(header.size() == bytes());
    std::memcpy(header.data(), template_.data(), bytes());
    write(reinterpret_cast<char*>(header.data()), index, trace);
}

bool HeaderForm::patch(std::span<std::byte> header, std::uint64_t index, std::span<const TraceStamp> trace) const {
    char* const text = reinterpret_cast<char*>(header.data());
    if (!has_form({text, header.size()})) return false;
    write(text, index, trace);
    return true;
}

HeaderForm::Match HeaderForm::read(std::string_view header, std::uint64_t& index,
                                   std::vector<TraceStamp>& trace) const {
    if (has_form(header)) {
        index = get(header.data() + index_at_);
        trace.resize(positions_);
        const char* at = header.data() + index_at_ + index_to_trace + 2;
        for (auto& stamp : trace) {
            stamp = {get(at), get(at + uint64_bytes), get(at + 2 * uint64_bytes)};
            at += triple_bytes;
        }
        return Match::ours;
    }
    auto decoded = decode_chunk_header(header);
    if (!decoded) return Match::malformed;
    if (decoded->run != run_ || decoded->epoch != epoch_) return Match::stale;
    if (decoded->tensors != tensors_ || decoded->trace.size() != positions_) return Match::malformed;
    index = decoded->index;
    trace = std::move(decoded->trace);
    return Match::ours;
}

// ---- reading the header of anyone

namespace {

using msgpack::object;

template <typename Integer>
bool read_integer(const object& from, Integer& to) {
    if (from.type != msgpack::type::POSITIVE_INTEGER || from.via.u64 > std::numeric_limits<Integer>::max())
        return false;
    to = static_cast<Integer>(from.via.u64);
    return true;
}

bool read_text(const object& from, std::string& to) {
    if (from.type != msgpack::type::STR) return false;
    to.assign(from.via.str.ptr, from.via.str.size);
    return true;
}

std::span<const object> elements(const object& from) {
    if (from.type != msgpack::type::ARRAY) return {};
    return {from.via.array.ptr, from.via.array.size};
}

bool read_epoch(const object& from, Epoch& to) {
    const auto parts = elements(from);
    return parts.size() == 2 && read_integer(parts[0], to.attempt) && read_integer(parts[1], to.wiring);
}

bool read_tensors(const object& from, std::vector<std::string>& to) {
    const auto parts = elements(from);
    if (from.type != msgpack::type::ARRAY || parts.size() > ChunkHeader::max_tensors) return false;
    to.resize(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i)
        if (!read_text(parts[i], to[i])) return false;
    return true;
}

bool read_trace(const object& from, std::vector<TraceStamp>& to) {
    const auto triples = elements(from);
    if (from.type != msgpack::type::ARRAY || triples.size() > ChunkHeader::max_positions) return false;
    to.resize(triples.size());
    for (std::size_t i = 0; i < triples.size(); ++i) {
        const auto parts = elements(triples[i]);
        if (parts.size() != 3 || !read_integer(parts[0], to[i].received) ||
            !read_integer(parts[1], to[i].started) || !read_integer(parts[2], to[i].finished))
            return false;
    }
    return true;
}

tl::unexpected<Error> corrupt(std::string_view what) {
    return fail(Fault::corrupt, "chunk header: {}", what);
}

struct Fields {  // what each key of the map holds; nullptr where it is missing
    const object *type = nullptr, *version = nullptr, *run = nullptr, *epoch = nullptr, *tensors = nullptr,
                 *index = nullptr, *trace = nullptr;
};

Result<Fields> collect(const object& map) {
    if (map.type != msgpack::type::MAP) return corrupt("not a map");
    Fields fields;
    for (const auto& entry : std::span(map.via.map.ptr, map.via.map.size)) {
        if (entry.key.type != msgpack::type::STR) return corrupt("a key that is not a string");
        const std::string_view key(entry.key.via.str.ptr, entry.key.via.str.size);
        if (key == "t") fields.type = &entry.val;
        if (key == "v") fields.version = &entry.val;
        if (key == "r") fields.run = &entry.val;
        if (key == "e") fields.epoch = &entry.val;
        if (key == "d") fields.tensors = &entry.val;
        if (key == "i") fields.index = &entry.val;
        if (key == "s") fields.trace = &entry.val;
    }
    return fields;
}

Result<ChunkHeader> interpret(const object& map) {
    const auto fields = collect(map);
    if (!fields) return fail(fields.error());
    std::uint16_t type = 0, version = 0;
    if (fields->type == nullptr || !read_integer(*fields->type, type)) return corrupt("no type");
    if (type != ChunkHeader::type) return fail(Fault::unsupported, "chunk header: message type {}", type);
    if (fields->version == nullptr || !read_integer(*fields->version, version)) return corrupt("no version");
    if (version != ChunkHeader::version)
        return fail(Fault::unsupported, "chunk header: version {}, this fard understands {}", version,
                    ChunkHeader::version);
    ChunkHeader header;
    if (fields->run == nullptr || !read_text(*fields->run, header.run.hex)) return corrupt("no run");
    if (fields->epoch == nullptr || !read_epoch(*fields->epoch, header.epoch)) return corrupt("no epoch");
    if (fields->tensors == nullptr || !read_tensors(*fields->tensors, header.tensors))
        return corrupt("no tensors");
    if (fields->index == nullptr || !read_integer(*fields->index, header.index)) return corrupt("no index");
    if (fields->trace == nullptr || !read_trace(*fields->trace, header.trace)) return corrupt("no trace");
    return header;
}

}  // namespace

Result<ChunkHeader> decode_chunk_header(std::string_view bytes) {
    if (bytes.size() > ChunkHeader::cap) return corrupt("longer than 64 KiB");
    const msgpack::unpack_limit limit(ChunkHeader::max_positions, 64, ChunkHeader::cap, ChunkHeader::cap, 0,
                                      8);
    try {
        std::size_t end = 0;
        const auto handle = msgpack::unpack(bytes.data(), bytes.size(), end, nullptr, nullptr, limit);
        if (end != bytes.size()) return corrupt("bytes after its end");
        return interpret(handle.get());
    } catch (const std::exception& error) {  // msgpack: truncated, too deep, too large, not MessagePack
        return corrupt(error.what());
    }
}

}  // namespace fard
