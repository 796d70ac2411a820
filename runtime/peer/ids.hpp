// Names and numbers that identify things across processes. See "Words" in docs/architecture.md.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace fard {

// A process in the mesh: 32 hex digits, drawn anew at each start, so a restarted board is another peer.
struct PeerId {
    std::string hex;
    bool empty() const { return hex.empty(); }
    friend auto operator<=>(const PeerId&, const PeerId&) = default;
};

// One submission of an app with its data: 32 hex digits, drawn by the client, kept over all attempts.
struct RunId {
    std::string hex;
    bool empty() const { return hex.empty(); }
    friend auto operator<=>(const RunId&, const RunId&) = default;
};

std::string random_hex(std::size_t bytes);  // from the system's entropy source; 2 digits a byte
bool is_id(std::string_view text);          // 32 lower-case hex digits: fit for a PeerId or RunId

// Which coordinator's attempt at a run, and which wiring of it; compared in that order.
struct Epoch {
    std::uint32_t attempt = 0;
    std::uint32_t wiring = 0;
    friend auto operator<=>(const Epoch&, const Epoch&) = default;
};

// A Lamport number taken once per run; the lower one is older. Equal numbers are ordered by the run id.
struct Ticket {
    std::uint64_t number = 0;
    RunId run;
    friend auto operator<=>(const Ticket&, const Ticket&) = default;
};

}  // namespace fard

template <>
struct std::hash<fard::PeerId> {
    std::size_t operator()(const fard::PeerId& id) const { return std::hash<std::string>{}(id.hex); }
};
template <>
struct std::hash<fard::RunId> {
    std::size_t operator()(const fard::RunId& id) const { return std::hash<std::string>{}(id.hex); }
};
