// The request protocol over any lossy way of sending envelopes: repeats until answered or overdue, answers
// repeats from memory. Knows no sockets: the mesh, the front door, the client and the simulation all run this
// one class.
#pragma once

#include <memory>
#include <string>

#include "runtime/peer/codec.hpp"
#include "runtime/peer/courier.hpp"

namespace fard {

// One per process and way of sending. Lives on one loop; destroying it drops what is pending without calling
// answers.
//
// A question is sent at once, again after 50 ms, and then in growing intervals of up to 500 ms, until it is
// answered or its deadline has passed. One that is large, or whose answer is (FETCH), is given more time: as long as
// it and the large ones before it to the same peer take at 256 KiB/s, then twice as long, up to 20 s. So nothing is
// sent twice only because it is slow; what a broken connection lost is asked again by reconnected(). An answer is
// remembered for 60 s, but no more than 4,096 of them and 16 MiB; the request that it answers never reaches the handler
// again in that time. What a process asks itself is remembered until its answer has arrived. Only STATUS, PIECE, NEWS,
// LOG_LINES and FILLED are not remembered: a repeated question for them is handled again.
class Requests final : public Courier {
  public:
    // Hands an envelope to the network; may lose it, must not block.
    using Send = std::function<void(const PeerId& to, const wire::Envelope&, const wire::Body&)>;

    Requests(Loop& loop, PeerId self, Send send);
    ~Requests() override;

    // An empty `to` stands for the one peer at the other end (a visitor's node manager): anyone's answer is
    // taken. A message that is over its cap is not sent: invalid_input, at once. An answer that is over its cap
    // becomes a REFUSED that says so.
    void ask(const PeerId& to, wire::Body body, Duration deadline, Answer answer) override;

    // Until this is called, requests that come in are dropped (and repeated by who asks).
    void serve(RequestHandler handler);

    // How errors call a peer, "board kria-2"; without it they give the first digits of its id.
    void name_peers(std::function<std::string(const PeerId&)> name);

    // Sends a message that wants no answer.
    void tell(const PeerId& to, const wire::Body& body);

    // Something that came in: an answer, a request, or a message that wants no answer (request 0), which
    // reaches the handler with an empty Reply. Late, unknown and repeated ones are dropped and counted.
    void receive(const wire::Envelope& envelope, const wire::Body& body);

    // Something that came in and is of a type or version that we do not know (`why`): a question is refused with that, an
    // answer ends its question with it.
    void receive_unknown(const wire::Envelope& envelope, const Error& why);

    // The connection to the one peer at the other end broke and is up again: every pending question is asked again
    // at once.
    void reconnected();

    // There is no way any more to the one peer at the other end: every pending question, and each that follows, ends with `why`.
    void bar(Error why);

    // Ends every pending question to a peer that is gone with `unreachable`.
    void forget(const PeerId& peer, const std::string& why);

    std::uint64_t lamport() const;  // the process's Lamport clock, advanced by what is sent and received
    std::uint64_t next_lamport();   // advances it and returns it: a new ticket
    void witness(std::uint64_t lamport);  // a time seen outside of requests (published states)

    struct Counters {
        std::uint64_t late = 0;      // answers that nobody waits for any more
        std::uint64_t repeated = 0;  // requests that were in progress or answered already
        std::uint64_t dropped = 0;   // requests without a handler, or more of them in progress than 65,536
    };
    Counters counters() const;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace fard
