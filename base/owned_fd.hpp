// Descriptors that are closed at the end of their scope.
#pragma once

#include <unistd.h>

#include <utility>

#include "base/result.hpp"

namespace fard {

class OwnedFd {
  public:
    explicit OwnedFd(int fd = -1) : fd_(fd) {}
    OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    OwnedFd& operator=(OwnedFd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~OwnedFd() {
        if (fd_ >= 0) ::close(fd_);
    }

    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }  // the caller's to close

  private:
    int fd_;  // -1: none
};

struct Pipe {
    OwnedFd read_end, write_end;  // close-on-exec
};

// A SOCK_SEQPACKET pair: each message arrives as one, or not at all.
struct Channel {
    OwnedFd ours, theirs;  // close-on-exec
};

// Errors: io (no descriptor is left).
Result<Pipe> make_pipe();
Result<Pipe> make_capture_pipe();  // whose read end does not block: for what a child says
Result<Channel> make_channel();

}  // namespace fard
