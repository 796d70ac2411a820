#include "overlays/helper/messages.hpp"

#include <limits>
#include <optional>

namespace fard::helper {
namespace {

constexpr std::size_t longest_text = 4096;  // a path
constexpr std::size_t most_parts = 32;
constexpr auto first_fault = static_cast<std::uint8_t>(Fault::invalid_input), last_fault = static_cast<std::uint8_t>(Fault::failed);

class Writer {
  public:
    explicit Writer(std::uint8_t type) {
        number(protocol_version, 1);
        number(type, 1);
    }
    Writer& number(std::uint64_t value, int bytes) {
        for (int i = 0; i < bytes; ++i) out_ += static_cast<char>(value >> (8 * i) & 0xff);
        return *this;
    }
    Writer& text(std::string_view value) {
        value = value.substr(0, longest_text);
        number(value.size(), 2);
        out_ += value;
        return *this;
    }
    std::string take() { return out_.size() <= max_packet_bytes ? std::move(out_) : std::string(); }

  private:
    std::string out_;
};

// Keeps the first thing that is wrong; what is read after it is nothing.
class Reader {
  public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}
    std::uint64_t number(std::size_t bytes) {
        if (rest_.size() < bytes) return wrong();
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i) value |= std::uint64_t{static_cast<unsigned char>(rest_[i])} << (8 * i);
        rest_.remove_prefix(bytes);
        return value;
    }
    bool flag() {
        const auto value = number(1);
        if (value > 1) wrong();
        return value == 1;
    }
    std::string text() {
        const auto length = number(2);
        if (length > longest_text || rest_.size() < length) return wrong(), std::string();
        std::string out(rest_.substr(0, length));
        rest_.remove_prefix(length);
        if (out.find('\0') != std::string::npos) wrong();
        return out;
    }
    std::uint64_t wrong() {
        fine_ = false;
        rest_ = {};
        return 0;
    }
    bool whole() const { return fine_ && rest_.empty(); }
    bool fine() const { return fine_; }

  private:
    std::string_view rest_;
    bool fine_ = true;
};

struct Encoder {
    std::string operator()(const Session& m) const { return Writer(1).text(m.package).text(m.directory).take(); }
    std::string operator()(const Load& m) const { return Writer(2).number(m.anew, 1).take(); }
    std::string operator()(const GiveBack& m) const { return Writer(3).number(m.forget, 1).take(); }
    std::string operator()(const Loaded& m) const {
        if (m.windows.size() > max_windows) return {};
        Writer writer(4);
        writer.number(m.programmed, 1).number(m.windows.size(), 2);
        for (const auto& window : m.windows)
            writer.number(static_cast<std::uint8_t>(window.kind), 1).text(window.name).number(window.address, 8).number(window.bytes, 8)
                .number(window.offset, 8);
        return writer.take();
    }
    std::string operator()(const Failed& m) const { return Writer(5).number(static_cast<std::uint8_t>(m.fault), 1).text(m.message).take(); }
    std::string operator()(const Board& m) const {
        if (m.accepted_parts.size() > most_parts) return {};
        Writer writer(6);
        writer.text(m.part).number(m.accepted_parts.size(), 1);
        for (const auto& part : m.accepted_parts) writer.text(part);
        return writer.take();
    }
};

Loaded read_loaded(Reader& reader) {
    Loaded out;
    out.programmed = reader.flag();
    const auto count = reader.number(2);
    if (count > max_windows) reader.wrong();
    for (std::uint64_t i = 0; i < count && reader.fine(); ++i) {
        Window window;
        const auto kind = reader.number(1);
        if (kind < 1 || kind > 5) reader.wrong();
        window.kind = static_cast<Window::Kind>(kind);
        window.name = reader.text();
        window.address = reader.number(8);
        window.bytes = reader.number(8);
        window.offset = reader.number(8);
        if (window.bytes > std::numeric_limits<std::uint64_t>::max() - window.offset) reader.wrong();
        out.windows.push_back(std::move(window));
    }
    return out;
}

Board read_board(Reader& reader) {
    Board out;
    out.part = reader.text();
    const auto count = reader.number(1);
    if (count > most_parts) reader.wrong();
    for (std::uint64_t i = 0; i < count && reader.fine(); ++i) out.accepted_parts.push_back(reader.text());
    return out;
}

std::optional<Message> read_fields(std::uint64_t type, Reader& reader) {
    switch (type) {
        case 1: {
            Session session;
            session.package = reader.text();
            session.directory = reader.text();
            return session;
        }
        case 2: return Load{reader.flag()};
        case 3: return GiveBack{reader.flag()};
        case 4: return read_loaded(reader);
        case 5: {
            const auto fault = reader.number(1);
            if (fault < first_fault || fault > last_fault) reader.wrong();
            return Failed{static_cast<Fault>(fault), reader.text()};
        }
        case 6: return read_board(reader);
        default: return std::nullopt;
    }
}

}  // namespace

std::string encode(const Message& message) {
    return std::visit(Encoder{}, message);
}

Result<Message> decode(std::string_view packet) {
    if (packet.size() > max_packet_bytes) return fail(Fault::corrupt, "a packet of {} bytes of the board helper's", packet.size());
    Reader reader(packet);
    const auto version = reader.number(1), type = reader.number(1);
    if (reader.fine() && version != protocol_version)
        return fail(Fault::unsupported, "the board helper's other side speaks version {} of its protocol, and this is version {}", version,
                    protocol_version);
    auto message = read_fields(type, reader);
    if (!message) return fail(Fault::corrupt, "a packet of the unknown type {} of the board helper's", type);
    if (!reader.whole()) return fail(Fault::corrupt, "a packet of type {} of the board helper's is damaged", type);
    return std::move(*message);
}

}  // namespace fard::helper
