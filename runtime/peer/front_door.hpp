// A node manager's front door (ROUTER) and the way to knock at one (DEALER): clients, joining peers, package pieces.
#pragma once

#include <memory>

#include "runtime/peer/courier.hpp"
#include "runtime/peer/requests.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// The bound side. Lives on one loop.
class FrontDoor {
  public:
    static Result<std::unique_ptr<FrontDoor>> open(Loop& loop, SocketFactory& sockets, PeerId self,
                                                   const std::string& endpoint);
    ~FrontDoor();

    const std::string& endpoint() const;  // as others connect to it
    void serve(RequestHandler handler);   // requests and, with an empty Reply, messages that want no answer
    void send(const PeerId& visitor, const wire::Body& body);  // dropped if the visitor is gone

  private:
    struct Impl;
    explicit FrontDoor(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// The connecting side: one node manager at a time. Lives on one loop.
class Visitor {
  public:
    static Result<std::unique_ptr<Visitor>> knock(Loop& loop, SocketFactory& sockets, PeerId self,
                                                  const std::string& endpoint);
    ~Visitor();

    void ask(wire::Body body, Duration deadline, Answer answer);
    void tell(const wire::Body& body);  // wants no answer
    void on_message(std::function<void(const wire::Body&)> handler);  // what the node manager sends unasked
    void on_disconnect(std::function<void()> handler);                // the connection broke (socket monitor)
    const std::string& endpoint() const;

  private:
    struct Impl;
    explicit Visitor(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard
