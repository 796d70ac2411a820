// Packets with descriptors over a SOCK_SEQPACKET socket.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/owned_fd.hpp"
#include "overlays/helper/messages.hpp"

namespace fard::helper {

struct Packet {
    Message message;
    std::vector<OwnedFd> descriptors;
};

// Never waits. The descriptors stay the caller's. Errors: unreachable (the other end is gone), io (its queue is full; the
// message is too long).
Result<> send(int socket, const Message& message, const std::vector<int>& descriptors = {});

// The next packet that is no damaged one (those are dropped, with a line on standard error), if one comes within `patience`.
// Errors: unreachable (the other end is gone), io.
Result<std::optional<Packet>> receive(int socket, Duration patience);

}  // namespace fard::helper
