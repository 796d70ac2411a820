#include "jobs/control_channel.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "runtime/peer/codec.hpp"

namespace fard {

namespace {
tl::unexpected<Error> gone() {
    return fail(Fault::unreachable, "control channel: the node manager is gone");
}
}  // namespace

ControlChannel::ControlChannel(ControlChannel&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), packet_(std::move(other.packet_)) {}

ControlChannel::~ControlChannel() {
    if (fd_ >= 0) ::close(fd_);
}

bool ControlChannel::usable(int fd) {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

Result<> ControlChannel::tell(const wire::Body& body) {
    const auto bytes = wire::encode({}, body);
    while (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
        if (errno == EINTR) continue;
        if (errno == EPIPE || errno == ECONNRESET) return gone();
        return fail(Fault::io, "control channel: cannot send {} ({} bytes): {}", wire::name_of(body),
                    bytes.size(), std::strerror(errno));
    }
    return {};
}

Result<std::optional<wire::Body>> ControlChannel::hear(Duration patience) {
    if (patience > Duration::zero()) {
        pollfd polled{fd_, POLLIN, 0};
        ::poll(&polled, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(patience).count()));
    }
    const auto size = ::recv(fd_, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (size == 0 || (size < 0 && errno == ECONNRESET)) return gone();
    if (size < 0) return fail(Fault::io, "control channel: {}", std::strerror(errno));
    packet_.resize(static_cast<std::size_t>(size));
    if (::recv(fd_, packet_.data(), packet_.size(), MSG_DONTWAIT) != size)
        return fail(Fault::io, "control channel: a packet changed its size");
    auto decoded = wire::decode(packet_);
    if (decoded) return std::move(decoded->body);
    if (decoded.error().fault == Fault::unsupported) return fail_in("control channel", decoded.error());
    fmt::print(stderr, "dropped a message of the node manager: {}\n", decoded.error().message);
    return std::nullopt;
}

}  // namespace fard
