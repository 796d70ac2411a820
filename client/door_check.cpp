#include "client/door_check.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <memory>
#include <thread>

#include "base/owned_fd.hpp"

namespace fard {
namespace {

using namespace std::chrono_literals;

constexpr auto name_limit = 800ms;
constexpr int connect_limit_ms = 400;

// errno of a connect, 0 if it came about, -1 if nothing came of it in time.
int try_connect(const sockaddr* address, socklen_t size) {
    const OwnedFd fd(socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd.get() < 0) return errno;
    if (connect(fd.get(), address, size) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    pollfd writable{fd.get(), POLLOUT, 0};
    if (poll(&writable, 1, connect_limit_ms) != 1) return -1;
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

constexpr const char* listens = "something listens there, but does not answer as a node manager without keys does";

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
    const int error = try_connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (error == EACCES || error == EPERM)
        return fmt::format("permission denied: it is user {}'s, and you (user {}) may not open it", status.st_uid,
                           geteuid());
    if (error == ECONNREFUSED) return "nobody listens there any more; its node manager has ended";
    if (error == 0 || error == EAGAIN || error == -1) return "its node manager is stopped or too busy to answer";
    return std::strerror(error);
}

struct Found {
    int error = 0;  // of getaddrinfo
    addrinfo* first = nullptr;
    ~Found() {
        if (first) freeaddrinfo(first);
    }
};

// Names can take many seconds where a name server does not answer: looked up by a thread that may be left alone.
std::shared_ptr<Found> look_up(const std::string& host, const std::string& port) {
    auto promise = std::make_shared<std::promise<std::shared_ptr<Found>>>();
    auto found = promise->get_future();
    std::thread([promise, host, port] {
        auto result = std::make_shared<Found>();
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        result->error = getaddrinfo(host.c_str(), port.c_str(), &hints, &result->first);
        promise->set_value(result);
    }).detach();
    return found.wait_for(name_limit) == std::future_status::ready ? found.get() : nullptr;
}

std::string why_silent_host(const std::string& place) {
    const auto colon = place.rfind(':');
    auto host = place.substr(0, colon);
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    const auto found = look_up(host, place.substr(colon + 1));
    if (!found) return fmt::format("no name server says where '{}' is", host);
    if (found->error != 0)
        return fmt::format("the name '{}' does not resolve ({})", host, gai_strerror(found->error));
    const int error = try_connect(found->first->ai_addr, found->first->ai_addrlen);
    if (error == 0) return listens;
    if (error == ECONNREFUSED) return "the connection is refused: nobody listens at that port";
    if (error == -1 || error == ETIMEDOUT)
        return "nothing comes back: the machine is off, a firewall is in between, or the address is another's";
    return std::strerror(error);
}

}  // namespace

std::string why_silent(const std::string& door) {
    if (door.starts_with("ipc://")) return why_silent_socket(door.substr(6));
    if (door.starts_with("tcp://") && door.rfind(':') > 6) return why_silent_host(door.substr(6));
    return "that is no address";
}

}  // namespace fard
