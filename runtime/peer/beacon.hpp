// Finding each other on a LAN: each node manager broadcasts where its front door is, and who it is for.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/loop.hpp"
#include "runtime/peer/drop_log.hpp"
#include "runtime/peer/messages_mesh.hpp"

namespace fard {

// Datagrams to whoever listens. One real implementation (open_broadcast), one in memory in the tests.
class Broadcast {
  public:
    virtual ~Broadcast() = default;
    virtual void send(std::string_view datagram) = 0;  // may lose it
    // Calls `on_datagram` on the loop for each that comes, our own too.
    virtual void receive(Loop& loop, std::function<void(std::string_view)> on_datagram) = 0;
};

// UDP on `port`: to the broadcast address of every interface and of loopback; several processes of one
// machine share the port. Errors: io.
Result<std::unique_ptr<Broadcast>> open_broadcast(std::uint16_t port);

// Lives on one loop.
class LanBeacon {
  public:
    using Found = std::function<void(const wire::Beacon&)>;

    // Sends `beacon` at once and each second; tells of those of the same cluster and protocol version, each
    // time.
    LanBeacon(Loop& loop, std::unique_ptr<Broadcast> broadcast, wire::Beacon beacon, Found found);
    ~LanBeacon();
    LanBeacon(const LanBeacon&) = delete;
    LanBeacon& operator=(const LanBeacon&) = delete;

    DropLog::Counters counters() const { return drops_.counters(); }

  private:
    void send();
    void take(std::string_view datagram);

    Loop& loop_;
    std::unique_ptr<Broadcast> broadcast_;
    wire::Beacon beacon_;
    Found found_;
    Loop::TimerId timer_ = 0;
    DropLog drops_{"beacon"};
};

}  // namespace fard
