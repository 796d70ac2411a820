// What one submission needs of the world around it, so that its logic runs on fakes in virtual time as well
// as over sockets. Real ones: submission_links.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "runtime/peer/courier.hpp"
#include "runtime/peer/link.hpp"

namespace fard {

// A node manager's front door as a client sees it (runtime/peer/front_door.hpp: Visitor). Handlers run on the
// loop, not from within ask or tell; none runs after the destruction, which must not happen within one.
class Door {
  public:
    virtual ~Door() = default;
    virtual void ask(wire::Body body, Duration deadline, Answer answer) = 0;
    virtual void tell(const wire::Body& body) = 0;
    virtual void on_message(std::function<void(const wire::Body&)> handler) = 0;
    virtual void on_disconnect(std::function<void()> handler) = 0;
    virtual void on_absence(std::function<void()> handler) = 0;  // nobody listens there; it is tried again
};

// The client's two links of one attempt at a run.
class ClientLinks {
  public:
    struct Events {
        std::function<void(Chunk)> result;         // one result chunk came
        std::function<void()> writable;            // send may work now
        // The coordinator sent what does not fit; unreachable: the connection of a link broke.
        std::function<void(const Error&)> broken;
    };
    virtual ~ClientLinks() = default;

    // Both ends are bound by the coordinator, so that nothing needs to find its way back to the client.
    // `way`: as RunState has it.
    virtual Result<> connect(const wire::LinkEndpoint& inputs, const wire::LinkEndpoint& results,
                             const wire::NetworkWay& way) = 0;
    virtual bool send(Chunk& chunk) = 0;  // false: not now (the chunk is untouched), `writable` follows
};

struct ClientLinksTerms {
    RunId run;
    std::uint32_t attempt = 0;
    const wire::AppSpec& app;
    Address door;  // the front door of the node manager that they will lead to
};

class SubmissionWorld {
  public:
    virtual ~SubmissionWorld() = default;
    virtual Result<std::unique_ptr<Door>> knock(const Address& door) = 0;
    virtual Result<std::unique_ptr<ClientLinks>> links(const ClientLinksTerms& terms,
                                                       ClientLinks::Events events) = 0;
};

}  // namespace fard
