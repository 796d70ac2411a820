#include "overlays/helper/packets.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fard::helper {
namespace {

using namespace std::chrono;

constexpr std::size_t control_bytes = CMSG_SPACE(sizeof(int) * (max_windows + 1));

struct Raw {
    std::string bytes;
    std::vector<OwnedFd> descriptors;
    bool cut = false;
};

std::vector<OwnedFd> take_descriptors(msghdr& header) {
    std::vector<OwnedFd> out;
    for (auto* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const auto count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
            out.emplace_back(fd);
        }
    }
    return out;
}

Result<std::optional<Raw>> receive_raw(int socket) {
    Raw raw;
    raw.bytes.resize(max_packet_bytes + 1);
    iovec into{raw.bytes.data(), raw.bytes.size()};
    alignas(cmsghdr) char control[control_bytes];
    msghdr header{};
    header.msg_iov = &into;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const auto got = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (got < 0 && errno != ECONNRESET) return fail(Fault::io, "the board helper's socket: {}", std::strerror(errno));
    if (got <= 0) return fail(Fault::unreachable, "the other end of the board helper's socket is gone");
    raw.descriptors = take_descriptors(header);
    raw.bytes.resize(static_cast<std::size_t>(got));
    raw.cut = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
    return raw;
}

void say(const std::string& what) {
    fmt::print(stderr, "board helper: dropped a packet: {}\n", what);
}

}  // namespace

Result<> send(int socket, const Message& message, const std::vector<int>& descriptors) {
    auto bytes = encode(message);
    if (bytes.empty() || descriptors.size() > max_windows) return fail(Fault::io, "a message of the board helper's is too long");
    iovec from{bytes.data(), bytes.size()};
    alignas(cmsghdr) char control[control_bytes] = {};
    msghdr header{};
    header.msg_iov = &from;
    header.msg_iovlen = 1;
    if (!descriptors.empty()) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
        auto* part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
        std::memcpy(CMSG_DATA(part), descriptors.data(), sizeof(int) * descriptors.size());
    }
    ssize_t sent = -1;
    while ((sent = ::sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0 && errno == EINTR) {
    }
    if (sent >= 0) return {};
    const bool gone = errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN || errno == EBADF;
    return fail(gone ? Fault::unreachable : Fault::io, "the board helper cannot be told: {}", std::strerror(errno));
}

Result<std::optional<Packet>> receive(int socket, Duration patience) {
    const auto until = steady_clock::now() + patience;
    for (;;) {
        auto raw = receive_raw(socket);
        if (!raw) return fail(raw.error());
        if (!*raw) {
            const auto left = ceil<milliseconds>(until - steady_clock::now());
            if (left <= milliseconds::zero()) return std::nullopt;
            pollfd wait{socket, POLLIN, 0};
            ::poll(&wait, 1, static_cast<int>(std::min<milliseconds>(left, minutes(1)).count()));
            continue;
        }
        if ((*raw)->cut) {
            say("it is longer than any");
            continue;
        }
        auto message = decode((*raw)->bytes);
        if (message) return Packet{std::move(*message), std::move((*raw)->descriptors)};
        say(message.error().message);
    }
}

}  // namespace fard::helper
