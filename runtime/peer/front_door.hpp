// A node manager's front door (ROUTER) and the way to knock at one (DEALER): clients, joining peers, package
// pieces.
#pragma once

#include <memory>

#include "runtime/peer/courier.hpp"
#include "runtime/peer/drop_log.hpp"
#include "runtime/peer/requests.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// The bound side. Lives on one loop. Remembers the way to the 4,096 visitors that were heard last.
class FrontDoor {
  public:
    // Errors: those of Socket::bind.
    static Result<std::unique_ptr<FrontDoor>> open(Loop& loop, SocketFactory& sockets, PeerId self,
                                                   const Endpoint& endpoint);
    ~FrontDoor();

    const Endpoint& endpoint() const;  // as others connect to it
    const PeerId& self() const;
    void serve(RequestHandler handler);  // requests and, with an empty Reply, messages that want no answer
    void serve_hello(RequestHandler handler);                  // HELLO alone; the mesh answers it
    void send(const PeerId& visitor, const wire::Body& body);  // dropped if the visitor is gone
    PublicKey key_of(const PeerId& visitor) const;  // that it proved; empty without keys
    void cut_connections();  // all of them; who may connect comes back
    void witness(std::uint64_t lamport);  // answers carry at least this time, so that a joining peer's clock
                                          // is not behind

    DropLog::Counters counters() const;  // messages dropped

  private:
    struct Impl;
    explicit FrontDoor(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

// The connecting side: one node manager at a time. Lives on one loop; may be destroyed from its own
// callbacks, and then calls nothing any more.
class Visitor {
  public:
    // Connects in the background, for as long as it takes: an endpoint where nobody listens (yet) is no
    // error.
    static Result<std::unique_ptr<Visitor>> knock(Loop& loop, SocketFactory& sockets, PeerId self,
                                                  const Address& address);
    ~Visitor();

    void ask(wire::Body body, Duration deadline, Answer answer);
    void tell(const wire::Body& body);                                // wants no answer
    void on_message(std::function<void(const wire::Body&)> handler);  // what the node manager sends unasked
    void on_disconnect(std::function<void()> handler);                // the connection broke (socket monitor)
    void on_absence(std::function<void()> handler);                   // nobody listens there; it is tried again
    const Endpoint& endpoint() const;
    std::uint64_t lamport() const;  // the latest time that the node manager's messages carried

  private:
    struct Impl;
    explicit Visitor(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace fard
