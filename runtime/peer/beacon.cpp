#include "runtime/peer/beacon.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "runtime/peer/codec.hpp"

namespace fard {
namespace {

std::uint32_t address_in(const sockaddr* address) {
    if (address == nullptr || address->sa_family != AF_INET) return 0;
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    return ntohl(in.sin_addr.s_addr);
}

// The broadcast address of an interface's IPv4 network; 0 for none. Where none was set (`ip addr add` without `brd`) it is
// the last of the network.
std::uint32_t broadcast_of(const ifaddrs& interface) {
    if (const auto given = address_in(interface.ifa_broadaddr)) return given;
    const auto own = address_in(interface.ifa_addr), mask = address_in(interface.ifa_netmask);
    return own != 0 && mask != 0 && mask != ~std::uint32_t{0} ? own | ~mask : 0;
}

class UdpBroadcast final : public Broadcast {
  public:
    UdpBroadcast(int fd, std::uint16_t port) : fd_(fd), port_(port) {}
    ~UdpBroadcast() override {
        if (loop_ != nullptr) loop_->unwatch(watch_);
        ::close(fd_);
    }

    // Interfaces come and go, so they are looked up each time.
    void send(std::string_view datagram) override {
        send_to(INADDR_LOOPBACK | 0x00ffffff, datagram);
        ifaddrs* list = nullptr;
        if (getifaddrs(&list) != 0) return;
        for (const auto* item = list; item != nullptr; item = item->ifa_next) {
            const bool broadcasts = (item->ifa_flags & IFF_UP) != 0 && (item->ifa_flags & IFF_BROADCAST) != 0;
            if (const auto to = broadcasts ? broadcast_of(*item) : 0) send_to(to, datagram);
        }
        freeifaddrs(list);
    }

    void receive(Loop& loop, std::function<void(std::string_view)> on_datagram) override {
        loop_ = &loop;
        on_datagram_ = std::move(on_datagram);
        watch_ = loop.watch_readable(fd_, [this] { drain(); });
    }

  private:
    void send_to(std::uint32_t address, std::string_view datagram) const {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port_);
        to.sin_addr.s_addr = htonl(address);
        // A network that is down loses it; the next one goes out in a second.
        static_cast<void>(::sendto(fd_, datagram.data(), datagram.size(), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&to), sizeof to));
    }

    // A bounded number at a time, so that a flood does not hold the loop.
    void drain() {
        char buffer[2048];
        for (int i = 0; i < 64; ++i) {
            const auto size = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
            if (size < 0) return;
            on_datagram_({buffer, static_cast<std::size_t>(size)});
        }
    }

    int fd_;
    std::uint16_t port_;
    Loop* loop_ = nullptr;
    Loop::WatchId watch_ = 0;
    std::function<void(std::string_view)> on_datagram_;
};

}  // namespace

Result<std::unique_ptr<Broadcast>> open_broadcast(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return fail(Fault::io, "beacon: cannot make a socket: {}", std::strerror(errno));
    auto broadcast = std::make_unique<UdpBroadcast>(fd, port);
    const int on = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    if (::setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) != 0 ||
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        return fail(Fault::io,
                    "beacon: cannot listen on UDP port {}: {}; choose another or switch the beacon off", port,
                    std::strerror(errno));
    }
    return broadcast;
}

LanBeacon::LanBeacon(Loop& loop, std::unique_ptr<Broadcast> broadcast, wire::Beacon beacon, Found found)
    : loop_(loop), broadcast_(std::move(broadcast)), beacon_(std::move(beacon)), found_(std::move(found)) {
    broadcast_->receive(loop_, [this](std::string_view datagram) { take(datagram); });
    send();
}

LanBeacon::~LanBeacon() {
    loop_.cancel(timer_);
}

void LanBeacon::send() {
    broadcast_->send(wire::encode({beacon_.peer, 0, false, 0}, beacon_));
    timer_ = loop_.call_after(std::chrono::seconds(1), [this] { send(); });
}

void LanBeacon::take(std::string_view datagram) {
    const auto decoded = wire::decode(datagram);
    if (!decoded) return drops_.note(loop_.now(), decoded.error());
    const auto* other = decoded->body.as<wire::Beacon>();
    if (other == nullptr) return drops_.note(loop_.now(), {Fault::unsupported, "not a beacon"});
    const bool ours = other->cluster == beacon_.cluster && other->protocol == beacon_.protocol;
    if (ours && other->peer != beacon_.peer && !other->front_door.empty()) found_(*other);
}

}  // namespace fard
