// A data link: one sender, one receiver, chunks one way, cumulative credits the other. See "Links" in
// docs/protocol.md for the frames. Both ends are non-blocking and usable from a zmq_poll loop (jobs) or from a Loop
// (node manager, client). Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/peer/ids.hpp"
#include "runtime/peer/messages.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// What one position did with a chunk; nanoseconds of CLOCK_REALTIME, 0 where it has not been.
struct TraceStamp {
    std::uint64_t received = 0;
    std::uint64_t started = 0;
    std::uint64_t finished = 0;
    friend bool operator==(const TraceStamp&, const TraceStamp&) = default;
};

// The unit that flows. Owns its frames; moving it is cheap.
struct Chunk {
    std::uint64_t index = 0;
    std::vector<Frame> tensors;       // one frame per tensor, in the link's tensor order, wire form
    std::vector<TraceStamp> trace;    // one per position of the pipeline, filled as the chunk flows
    Chunk share() const;              // the same bytes, not copied
};

// What both ends of a link agree on.
struct LinkTerms {
    RunId run;
    Epoch epoch;
    std::vector<TensorDesc> tensors;
    std::string overlay;              // of the receiver, "" if it has none
    std::uint32_t positions = 1;      // of the pipeline: length of the trace
    std::uint64_t budget_bytes = 4u << 20;  // in flight on this link, both sides together
    std::uint64_t window() const;     // max(1, budget / chunk bytes): chunks that may be unacknowledged
};

// A pacing hook: what an emulated board charges for a send or a receive. Returns when that is over (now() for free).
class Pacer {
  public:
    virtual ~Pacer() = default;
    virtual TimePoint charge_send(std::size_t bytes) = 0;
    virtual TimePoint charge_receive(std::size_t bytes) = 0;
};

class LinkReceiver {
  public:
    // `place`: "ipc:DIRECTORY" (a new socket file there, removed at destruction) or "tcp:ADDRESS" (a free port).
    static Result<LinkReceiver> bind(SocketFactory& sockets, const std::string& place, LinkTerms terms);
    LinkReceiver(LinkReceiver&&) noexcept;
    LinkReceiver& operator=(LinkReceiver&&) noexcept;
    ~LinkReceiver();

    const wire::LinkEndpoint& endpoint() const;
    bool opened() const;  // LINK_OPEN came and agreed

    // The next chunk, if one is there. Chunks of another epoch or run are dropped and counted. Errors: refused (a
    // LINK_OPEN whose tensors, types or epoch differ: says what differs), corrupt (a frame of the wrong size).
    Result<std::optional<Chunk>> receive();

    // The chunk taken last is the receiver's own now (handed on or kept): counts towards the sender's credit. Sends
    // the credit when half a window has gathered; flush_credit() sends what is outstanding (call it when idle).
    void taken();
    void flush_credit();

    std::uint64_t dropped() const;  // stale or malformed messages
    int fd() const;
    void* native() const;  // for zmq_poll: readable
    std::unique_ptr<Socket::Watch> watch(Loop& loop, std::function<void()> on_ready);

  private:
    struct Impl;
    explicit LinkReceiver(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

class LinkSender {
  public:
    static Result<LinkSender> connect(SocketFactory& sockets, const wire::LinkEndpoint& endpoint, LinkTerms terms,
                                      std::string from);
    LinkSender(LinkSender&&) noexcept;
    LinkSender& operator=(LinkSender&&) noexcept;
    ~LinkSender();

    // Sends LINK_OPEN when the connection is up; true once it has been sent. Called again until then.
    bool open();

    // false: the window is used up or the connection is not up; the chunk is untouched.
    bool send(Chunk& chunk);

    void poll_credit();                   // takes credits that have come
    std::uint64_t sent() const;           // chunks since the link was opened
    std::uint64_t confirmed() const;      // of these, taken by the receiver
    std::uint64_t unacknowledged() const { return sent() - confirmed(); }
    std::uint64_t window() const;

    int credit_fd() const;
    void* native() const;         // for zmq_poll: writable (the connection is up)
    void* native_credit() const;  // for zmq_poll: readable
    std::unique_ptr<Socket::Watch> watch_credit(Loop& loop, std::function<void()> on_ready);

  private:
    struct Impl;
    explicit LinkSender(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// Of several senders, the one to push the next chunk to: the fewest unacknowledged chunks, the earliest on a tie;
// nullptr if every window is used up.
LinkSender* fewest_unacknowledged(std::vector<LinkSender>& senders);

}  // namespace fard
