// The mesh of node managers: who is there, what they publish, and asking them for things.
#pragma once

#include <memory>
#include <vector>

#include "runtime/peer/courier.hpp"
#include "runtime/peer/front_door.hpp"
#include "runtime/peer/message_parts.hpp"
#include "runtime/peer/resolver.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

namespace wire {
struct BoardState;
}

struct MeshOptions {
    std::string cluster;             // the cluster id: peers of another one are refused
    std::string name;                // the board's name
    Endpoint publisher;                 // to bind: "ipc:///dir/x.pub" or "tcp://192.168.2.99:0"
    Endpoint heartbeat;                 // to bind for the heartbeat thread
    std::string advertise;              // the address that others use for all of them, "" for the bound ones
    std::vector<WrittenAddress> seeds;  // front doors to join by
    bool beacon = false;             // UDP beacon on the LAN
    std::uint16_t beacon_port = 37020;
    Duration heartbeat_interval = std::chrono::milliseconds(250);
    Duration silence_limit =
        std::chrono::milliseconds(1000);  // then the peer is probed by another; lost by 1.5 s
};

// Lives on one loop. Heartbeats run on a thread of their own.
class Mesh final : public Courier {
  public:
    struct Events {
        std::function<void(const wire::Member&)> joined;
        std::function<void(const wire::Member&, const std::string& why)> lost;
        std::function<void(const PeerId& from, const wire::BoardState& state)> published;
        // A seed that will not have us: another cluster id or protocol version. It is tried again, in vain
        // until somebody changes a configuration.
        std::function<void(const Endpoint& seed, const Error& why)> refused;
        std::function<void(const std::vector<PublicKey>&)> revoked;  // they are out already
    };

    // Binds, then joins by its seeds in the background. The front door answers HELLO through the mesh, and
    // goes after it. What is published is kept, and sent again to a peer that joins later as soon as it can
    // hear it. No event is called before start() has returned. Errors: those of Socket::bind, and
    // invalid_input for an endpoint that others could not connect to (tcp://0.0.0.0).
    static Result<std::unique_ptr<Mesh>> start(Loop& loop, SocketFactory& sockets, FrontDoor& door,
                                               MeshOptions options, Events events);
    ~Mesh() override;  // publishes LEAVE

    const wire::Member& self() const;
    std::vector<wire::Member> members() const;      // self first
    // Since its last heartbeat, 0 for who sends its heartbeats to others; or since we try to hear what it publishes, in vain.
    Duration silent_for(const PeerId& peer) const;
    void publish(const wire::BoardState& state);  // to everyone, if it is another than before; never waits

    void ask(const PeerId& to, wire::Body body, Duration deadline, Answer answer) override;  // also to self
    void serve(RequestHandler handler);

    // With keys: takes what is new in the list and tells everybody. Whose key is revoked loses its connections, and a
    // member is lost. Errors: io (the list cannot be kept).
    Result<> allow(const std::vector<wire::AllowedKey>& keys);

    std::uint64_t next_ticket();  // a Lamport number later than any that this process has seen
    void witness_ticket(std::uint64_t number);

    struct Counters {
        std::uint64_t malformed = 0, unknown = 0, late = 0;
    };
    Counters counters() const;  // messages dropped

  private:
    struct Impl;
    explicit Mesh(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace fard
