#include "base/owned_fd.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace fard {

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail(Fault::io, "cannot make a pipe: {}", std::strerror(errno));
    return Pipe{OwnedFd(ends[0]), OwnedFd(ends[1])};
}

Result<Pipe> make_capture_pipe() {
    auto pipe = make_pipe();
    if (pipe) ::fcntl(pipe->read_end.get(), F_SETFL, O_NONBLOCK);
    return pipe;
}

Result<Channel> make_channel() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(Fault::io, "cannot make a channel: {}", std::strerror(errno));
    return Channel{OwnedFd(ends[0]), OwnedFd(ends[1])};
}

}  // namespace fard
