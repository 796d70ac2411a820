// Packets as UG470 (7 series) and UG570 (UltraScale+) give them:
//
//   type 1   001 | operation 2 | register 14 | - 2 | words 11
//   type 2   010 | operation 2 | words 27                        more words for the register of the packet before it
#include "overlays/bitstream/packets.hpp"

#include <bit>
#include <cstring>

namespace fard::bitstream {
namespace {

enum Register : std::uint32_t { frames = 2, command = 4, control_0 = 5, repeated_frames = 10, cipher_start = 11, idcode = 12, cipher_words = 26 };
constexpr std::uint32_t desync = 13;
constexpr std::uint32_t decrypt = 1u << 6;  // of control_0
constexpr std::uint32_t operation_write = 2;

class Words {
  public:
    Words(std::string_view bytes, bool swapped) : bytes_(bytes), swapped_(swapped) {}
    std::size_t left() const { return bytes_.size() / 4 - at_; }
    std::size_t at() const { return at_; }
    std::uint32_t next() {
        std::uint32_t word = 0;
        std::memcpy(&word, bytes_.data() + 4 * at_++, 4);
        if (swapped_ == (std::endian::native == std::endian::little)) return word;
        return word >> 24 | (word >> 8 & 0xff00) | (word << 8 & 0xff0000) | word << 24;
    }
    void skip(std::size_t count) { at_ += count; }

  private:
    std::string_view bytes_;
    bool swapped_;
    std::size_t at_ = 0;
};

struct Packet {
    std::uint32_t operation, target, count;
};

}  // namespace

Result<> read_packets(std::string_view bytes, const std::string& where, Bitstream& out) {
    Words words(bytes, out.swapped);
    words.skip(1);
    std::uint32_t target = 0;
    while (words.left() > 0) {
        const auto header = words.next();
        const auto type = header >> 29;
        if (header == 0 || header == 0xffffffff) continue;  // padding
        if (type != 1 && type != 2)
            return fail(Fault::corrupt, "{} is damaged: word {} behind its sync word ({:08x}) is no packet; copy it again",
                        where, words.at() - 1, header);
        if (type == 1) target = header >> 13 & 0x3fff;
        const Packet packet{header >> 27 & 3, target, type == 1 ? header & 0x7ff : header & 0x7ffffff};
        if (packet.operation != operation_write) continue;
        if (packet.count > words.left())
            return fail(Fault::corrupt, "{} is truncated: a packet of {} words begins {} words before its end; copy it again",
                        where, packet.count, words.left());
        if (packet.target == frames) out.frame_bytes += std::uint64_t{4} * packet.count;
        if (packet.target == repeated_frames) out.compressed = true;
        if (packet.target == cipher_start || packet.target == cipher_words) out.encrypted = true;
        const auto value = packet.count > 0 ? words.next() : 0;
        if (packet.count > 1) words.skip(packet.count - 1);
        if (packet.count == 0) continue;
        if (packet.target == control_0 && (value & decrypt)) out.encrypted = true;
        if (packet.target == idcode) out.idcode = value & 0x0fffffff;
        if (out.encrypted && packet.target == cipher_words) return {};  // what follows is not ours to read
        if (packet.target == command && value == desync) return {};
    }
    return fail(Fault::corrupt, "{} is truncated: its configuration has no end (command DESYNC); copy it again", where);
}

}  // namespace fard::bitstream
