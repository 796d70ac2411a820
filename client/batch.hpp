// How many chunks a turn has where positions share slots, as far as a client can say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/peer/message_parts.hpp"

namespace fard {

inline constexpr std::uint64_t widest_auto_window = std::uint64_t{64} << 20;

// What a chunk counts in the app's window: as input or result, whichever is larger.
std::uint64_t chunk_bytes_of(const wire::AppSpec& app);

// Sets the app's batch for a run of `chunks`: `wanted`, or as many as its window holds, if these are fewer. Nothing wanted: the best as far
// as that is known without a plan, and the window is opened for it, up to `widest_auto_window`: all chunks in one turn of each position (or
// replica), or so many that the window holds two (one for each replica, and one more). What people should know of it, "" for nothing.
std::string set_batch(wire::AppSpec& app, std::optional<std::uint64_t> wanted, std::uint64_t chunks);

}  // namespace fard
