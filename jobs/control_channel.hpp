// A job's end of the SOCK_SEQPACKET pair to its node manager: one packet, one message.
#pragma once

#include <optional>
#include <string>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/body.hpp"

namespace fard {

// Owns the descriptor.
class ControlChannel {
  public:
    explicit ControlChannel(int fd) : fd_(fd) {}
    ControlChannel(ControlChannel&& other) noexcept;
    ControlChannel& operator=(ControlChannel&&) = delete;
    ~ControlChannel();

    static bool usable(int fd);  // open, and a SOCK_SEQPACKET socket

    int fd() const { return fd_; }

    // Errors: unreachable (the other end is gone), io.
    Result<> tell(const wire::Body& body);

    // The next message if one comes within `patience`; malformed ones are dropped with a line on standard
    // error. Errors: unreachable (the other end is gone), io, unsupported (a message of a type or version that this program
    // does not know).
    Result<std::optional<wire::Body>> hear(Duration patience);

  private:
    int fd_;
    std::string packet_;  // memory for hear
};

}  // namespace fard
