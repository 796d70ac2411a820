// What the board helper is told and what it answers: one packet of a SOCK_SEQPACKET socket each, at most max_packet_bytes,
// little-endian. docs/overlays.md says who sends what.
//
//   byte version (1), byte type, fields:
//     1 SESSION    text package, text directory             with one descriptor: the helper's end of the session
//     2 LOAD       byte anew
//     3 GIVE_BACK  byte forget
//     4 LOADED     byte programmed, 2 bytes count, windows  with one descriptor for each window
//     5 FAILED     byte fault, text message
//     6 BOARD      text part, byte count, texts accepted parts
//   a text is 2 bytes of length and that many bytes; a window is byte kind, text name, 8 bytes each of address, bytes, offset
//   byte flags are 0 or 1. A packet of another version or type, that is short or has bytes left, is dropped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace fard::helper {

inline constexpr std::uint8_t protocol_version = 1;
inline constexpr std::size_t max_packet_bytes = 32 * 1024;
inline constexpr std::size_t max_windows = 120;  // descriptors of one packet

// node manager -> helper: a job that may have this package loaded, and no other.
struct Session {
    std::string package;    // its id
    std::string directory;  // where it is, absolute
    friend bool operator==(const Session&, const Session&) = default;
};

// job -> helper. `anew`: program even what is loaded, for it is stuck.
struct Load {
    bool anew = false;
    friend bool operator==(const Load&, const Load&) = default;
};

// job -> helper: it touches nothing of the fabric any more. `forget`: nobody is to take it for loaded.
struct GiveBack {
    bool forget = false;
    friend bool operator==(const GiveBack&, const GiveBack&) = default;
};

// Something that a job maps, reads or writes, by the descriptor that comes with it.
struct Window {
    enum class Kind : std::uint8_t {
        state = 1,            // the FPGA manager's, to be read
        registers = 2,        // to be mapped from 0 on: those of the block `name` begin at `offset`
        memory = 3,           // to be mapped: `bytes` of memory at `address`, as the fabric sees it
        sync_for_device = 4,  // of the memory before it: where caches are seen to
        sync_for_cpu = 5,
    };
    Kind kind = Kind::state;
    std::string name;
    std::uint64_t address = 0, bytes = 0, offset = 0;
    friend bool operator==(const Window&, const Window&) = default;
};

// helper -> job.
struct Loaded {
    bool programmed = false;  // for this LOAD
    std::vector<Window> windows;
    friend bool operator==(const Loaded&, const Loaded&) = default;
};
struct Failed {
    Fault fault = Fault::failed;
    std::string message;
    friend bool operator==(const Failed&, const Failed&) = default;
};

// node manager -> job, the first packet of a session; helper -> node manager, the first packet of a channel: the fabric is its own.
struct Board {
    std::string part;
    std::vector<std::string> accepted_parts;  // at most 32
    friend bool operator==(const Board&, const Board&) = default;
};

using Message = std::variant<Session, Load, GiveBack, Loaded, Failed, Board>;

// A message that is longer than a packet may be is cut (FAILED) or none: "".
std::string encode(const Message& message);
// Errors: corrupt; unsupported (another version).
Result<Message> decode(std::string_view packet);

}  // namespace fard::helper
