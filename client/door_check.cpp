#include "client/door_check.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>

#include "base/owned_fd.hpp"
#include "client/client_identity.hpp"

namespace fard {
namespace {

using namespace std::chrono_literals;

constexpr int connect_limit_ms = 400;

constexpr auto greeting_limit = 400ms;

struct Connection {
    int error = 0;  // errno; 0 if it came about, -1 if nothing came of it in time
    OwnedFd fd = OwnedFd();
};

Connection try_connect(const sockaddr* address, socklen_t size) {
    OwnedFd fd(socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.get() < 0) return {errno};
    if (connect(fd.get(), address, size) == 0) return {0, std::move(fd)};
    if (errno != EINPROGRESS) return {errno};
    pollfd writable{fd.get(), POLLOUT, 0};
    if (poll(&writable, 1, connect_limit_ms) != 1) return {-1};
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    return {error, std::move(fd)};
}

// How who listens there wants to be spoken to; open: a ZeroMQ socket without keys.
enum class Listener { keyed, open, something_else };

// By what comes to a greeting of ZMTP 3 (rfc.zeromq.org/spec/23): signature, version, mechanism in 20 bytes, 32 more.
Listener greet(int fd) {
    constexpr std::size_t greeting_bytes = 64, mechanism_at = 12, mechanism_bytes = 20;
    std::array<char, mechanism_at> ours{};  // no mechanism: who hears of another one than its own says nothing more
    ours[0] = '\xff';
    ours[9] = '\x7f';
    ours[10] = 3;
    if (send(fd, ours.data(), ours.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(ours.size()))
        return Listener::something_else;
    std::string theirs;
    const auto until = std::chrono::steady_clock::now() + greeting_limit;
    while (theirs.size() < mechanism_at + mechanism_bytes) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        pollfd readable{fd, POLLIN, 0};
        if (left.count() <= 0 || poll(&readable, 1, static_cast<int>(left.count())) != 1) break;
        std::array<char, greeting_bytes> bytes;
        const auto count = recv(fd, bytes.data(), bytes.size(), 0);
        if (count <= 0) break;
        theirs.append(bytes.data(), static_cast<std::size_t>(count));
    }
    if (theirs.size() < mechanism_at + mechanism_bytes || theirs[0] != '\xff') return Listener::something_else;
    const std::string mechanism = theirs.substr(mechanism_at, mechanism_bytes).c_str();
    if (mechanism == "CURVE") return Listener::keyed;
    return mechanism == "NULL" ? Listener::open : Listener::something_else;
}

bool has_keys() {
    std::error_code error;
    const auto directory = key_directory();
    return !directory.empty() && std::filesystem::exists(directory / "key", error);
}

std::string why_silent_listener(Listener listener, const PublicKey& known) {
    if (listener == Listener::something_else) return "something listens there that is no node manager";
    if (listener == Listener::open)
        return has_keys() ? "a node manager without keys is there (--insecure), and here there are some; FARD_KEYS=none does "
                            "without them"
                          : "its node manager is stopped or too busy to answer";
    if (!has_keys()) return "a node manager with keys is there, and there are none here; `fard join` gets some";
    if (known.empty())
        return fmt::format("a node manager with keys is there, and {} does not know its key; `fard join` gets it",
                           (key_directory() / "nodes").string());
    return fmt::format("a node manager with keys is there, but not with the key {} that is known here, or it does not (any "
                       "more) know ours: a key was rotated, a ticket is long out of date, or it is stopped; with a new ticket `fard join` "
                       "makes a new key",
                       known.brief());
}

std::string why_silent_socket(const std::string& path) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0)
        return errno == ENOENT ? "there is no socket; is the node manager running?" : std::strerror(errno);
    if (S_ISDIR(status.st_mode)) return "that is a directory; the socket in it is meant (node.ipc)";
    if (!S_ISSOCK(status.st_mode) && !S_ISLNK(status.st_mode)) return "that is no socket";
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return "its path is too long for a socket";
    path.copy(address.sun_path, path.size());
    const int error = try_connect(reinterpret_cast<const sockaddr*>(&address), sizeof address).error;
    if (error == EACCES || error == EPERM)
        return fmt::format("permission denied: it is user {}'s, and you (user {}) may not open it", status.st_uid,
                           geteuid());
    if (error == ECONNREFUSED) return "nobody listens there any more; its node manager has ended";
    if (error == 0 || error == EAGAIN || error == -1) return "its node manager is stopped or too busy to answer";
    return std::strerror(error);
}

struct FreeAddresses {
    void operator()(addrinfo* found) const { freeaddrinfo(found); }
};

// Null for what is no address in digits; asks no name server.
std::unique_ptr<addrinfo, FreeAddresses> in_digits(const std::string& address, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return nullptr;
    return std::unique_ptr<addrinfo, FreeAddresses>(found);
}

Connection connect_to(const Endpoint& door) {
    const auto address = in_digits(door.address(), door.port());
    return address ? try_connect(address->ai_addr, address->ai_addrlen) : Connection{EINVAL};
}

std::string why_not_connected(int error) {
    if (error == ECONNREFUSED) return "the connection is refused: nobody listens at that port";
    if (error == -1 || error == ETIMEDOUT)
        return "nothing comes back: the machine is off, a firewall is in between, or the address is another's";
    return std::strerror(error);
}

std::string why_silent_host(const Address& door) {
    const auto connection = connect_to(door.endpoint);
    if (connection.error != 0) return why_not_connected(connection.error);
    return why_silent_listener(greet(connection.fd.get()), door.key);
}

}  // namespace

bool is_own_address(const Endpoint& endpoint) {
    const auto address = in_digits(endpoint.address(), 0);
    if (!address) return false;
    const OwnedFd fd(socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return bind(fd.get(), address->ai_addr, address->ai_addrlen) == 0 || errno != EADDRNOTAVAIL;
}

bool nobody_listens(const Endpoint& door) {
    return door.is_tcp() && connect_to(door).error == ECONNREFUSED;
}

std::string why_silent(const Address& door) {
    if (door.endpoint.empty()) return "that is no address";
    return door.endpoint.is_tcp() ? why_silent_host(door) : why_silent_socket(door.endpoint.path());
}

}  // namespace fard
