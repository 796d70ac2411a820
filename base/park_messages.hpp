// What a ParkedProgram and park() say to each other on their SOCK_SEQPACKET pair, in the machine's own byte order
// (docs/protocol.md). What changes here changes parking_version.
#pragma once

#include <cstdint>

namespace fard::parked {

inline constexpr int most_descriptors = 8;
inline constexpr int lowest_spare = 16;  // descriptors from here on are never asked for

// From the owner, with `count` descriptors attached: numbers[i] is the place of the i-th in the new process.
struct Request {
    std::int32_t count = 0;
    std::int32_t numbers[most_descriptors] = {};
};

// From the program when it waits; from each new process; or from the program that could not make one. The sender's process
// id comes with it from the kernel.
struct Report {
    std::int32_t error = 0;  // an errno
};

}  // namespace fard::parked
