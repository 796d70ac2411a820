// Messages to bytes and back. One MessagePack map per message:
//   {"t": type number, "v": version, "q": request id, "a": is an answer, "f": sender, "l": Lamport time, "b":
//   {fields}}
// Unknown keys are skipped, missing ones keep their defaults, a higher version than ours is an error. msgpack
// is fenced in codec.cpp. "t" comes first, so that a message's size is held against its type's cap before
// anything else is read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "runtime/peer/body.hpp"
#include "runtime/peer/ids.hpp"

namespace fard::wire {

struct Envelope {
    PeerId from;
    std::uint64_t request = 0;  // 0: a state, wants no answer; else unique per sender
    bool answer = false;        // `request` is the number of the request that this answers
    std::uint64_t lamport = 0;  // the sender's Lamport clock
    friend bool operator==(const Envelope&, const Envelope&) = default;
};

struct Decoded {
    Envelope envelope;
    Body body;
};

std::string encode(const Envelope& envelope, const Body& body);

// Errors: corrupt (malformed, larger than its type's cap, wrong field types), unsupported (unknown type or
// version). Reads nothing past `bytes`, allocates no more than a small multiple of their size, never throws.
Result<Decoded> decode(std::string_view bytes);

// Whose message it is that decode() refused as unsupported, so that a question gets an answer all the same. None: it is
// malformed, or of more than 64 KiB.
std::optional<Envelope> envelope_of(std::string_view bytes);

const char* name_of(const Body& body);  // "RESERVE"
std::size_t cap_of(const Body& body);   // the largest encoding that a receiver takes, in bytes

// Whether a receiver takes the message, whatever its envelope. Errors: invalid_input, with its size and its cap.
Result<> check_size(const Body& body);

// About how much memory a body holds, in bytes.
std::size_t footprint(const Body& body);

struct TableRow {  // what docs/protocol.md is held against
    std::uint16_t type;
    std::uint16_t version;
    std::size_t cap;
    std::string name;
    std::string fields;  // "run, ticket, epoch, slots"
};
std::vector<TableRow> table_rows();

}  // namespace fard::wire
