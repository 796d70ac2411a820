// Room among this process's descriptors, looked for before something is begun that takes some: where none is left, libzmq
// ends the process, and with it every run.
#pragma once

#include <cstddef>

#include "base/result.hpp"

namespace fard {

inline constexpr std::size_t descriptors_of_a_job = 8;   // its channel, its output, its process, about
inline constexpr std::size_t descriptors_of_a_run = 24;  // at its coordinator: two links with their sockets, its client, about

// Errors: refused, with how many there are and what helps: `needed` more, and some for who knocks meanwhile, are not left.
Result<> check_descriptor_room(std::size_t needed);

}  // namespace fard
