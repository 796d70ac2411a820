// The request protocol over any lossy way of sending envelopes: repeats until answered or overdue, answers repeats
// from memory. Knows no sockets: the mesh, the front door, the client and the simulation all run this one class.
#pragma once

#include <deque>
#include <memory>
#include <unordered_map>

#include "runtime/peer/courier.hpp"

namespace fard {

// One per process and way of sending. Lives on one loop; destroying it drops what is pending without calling answers.
class Requests final : public Courier {
  public:
    // Hands an envelope to the network; may lose it, must not block.
    using Send = std::function<void(const PeerId& to, const wire::Envelope&, const wire::Body&)>;

    Requests(Loop& loop, PeerId self, Send send);
    ~Requests() override;

    void ask(const PeerId& to, wire::Body body, Duration deadline, Answer answer) override;
    void serve(RequestHandler handler);

    // A request or answer that came in. Late, unknown and repeated ones are dropped and counted.
    void receive(const wire::Envelope& envelope, const wire::Body& body);

    // Ends every pending question to a peer that is gone with `unreachable`.
    void forget(const PeerId& peer, const std::string& why);

    std::uint64_t lamport() const;          // the process's Lamport clock, advanced by what is sent and received
    std::uint64_t next_lamport();           // advances it and returns it: a new ticket
    void witness(std::uint64_t lamport);    // a time seen outside of requests (published states)

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard
