// A data link: one sender, one receiver, chunks one way, cumulative credits the other. See "Links" in
// docs/protocol.md for the frames. Both ends are non-blocking and usable from a poll loop (jobs) or from a
// Loop (node manager, client). Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/peer/chunk_header.hpp"
#include "runtime/peer/ids.hpp"
#include "runtime/peer/message_parts.hpp"
#include "runtime/peer/pacer.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// The unit that flows. Owns its frames; moving it is cheap.
struct Chunk {
    std::uint64_t index = 0;
    std::vector<Frame> tensors;     // one frame per tensor, in the link's tensor order, wire form
    std::vector<TraceStamp> trace;  // one per position of the pipeline, filled as the chunk flows
    Chunk share() const;            // the same bytes, not copied
    TimePoint since{};              // when it was there, as emulated boards reckon; the epoch of the clock: now

    // The links' own: the frame with the header that it came with, which the next link patches instead of writing a new one.
    std::unique_ptr<Frame> header = nullptr;
};

// What both ends of a link agree on.
struct LinkTerms {
    RunId run;
    Epoch epoch;
    std::vector<TensorDesc> tensors;
    std::string overlay;                    // that the sender runs, "" if none: LINK_OPEN tells it
    std::uint32_t positions = 1;            // of the pipeline: length of the trace
    std::uint64_t budget_bytes = 4u << 20;  // in flight on this link, both sides together

    std::vector<std::size_t> tensor_bytes()
        const;                          // of each tensor of a chunk: what a hot path holds frames against
    std::uint64_t chunk_bytes() const;  // of one chunk's frames, the header included
    // Small chunks are of one frame, the header and behind it the tensors: its bytes, or 0 where each has its own.
    std::uint64_t compact_bytes() const;

    std::uint64_t window() const;       // max(1, budget / chunk bytes): chunks that are on their way

    // How many chunks may be sent before the first credit, and how far a credit's limit is usually ahead of what it says
    // was taken: the window, at least one chunk on each side, and what may then be taken without being told.
    std::uint64_t lead() const;

    // Whether a chunk is what these terms promise. Errors: failed, naming the tensor and both sizes.
    Result<> check(const Chunk& chunk) const;
};

class LinkReceiver {
  public:
    // `place`: "ipc:DIRECTORY" (two new socket files there, removed at destruction), "tcp:ADDRESS" (free ports) or
    // "tcp:ADDRESS,ADVERTISED,LOW-HIGH" (where others connect to ADVERTISED, if there is one, and only these ports are used).
    // `pacer` (may be nullptr) outlives the receiver. Errors: io, refused, invalid_input (terms that no link can have).
    static Result<LinkReceiver> bind(SocketFactory& sockets, const std::string& place, LinkTerms terms,
                                     Pacer* pacer = nullptr);
    // The other way round: to a sender that is bound. Errors: io, invalid_input.
    static Result<LinkReceiver> connect(SocketFactory& sockets, const wire::LinkEndpoint& endpoint, LinkTerms terms,
                                        Pacer* pacer = nullptr);
    LinkReceiver(LinkReceiver&&) noexcept;
    LinkReceiver& operator=(LinkReceiver&&) noexcept;
    ~LinkReceiver();

    const wire::LinkEndpoint& endpoint() const;
    void admit(const PublicKey& sender);  // who may connect to a bound one; without keys of no effect
    const LinkTerms& terms() const;
    bool opened() const;              // LINK_OPEN came and agreed
    bool lost();                      // a connection broke after that; look now and then, a watch calls for it
    const std::string& from() const;  // who opened it, "" before

    // The next chunk, if one is there. Chunks of another epoch or run, malformed messages, and chunks before
    // LINK_OPEN are dropped and counted, and so is a LINK_OPEN of another epoch or run. Errors: invalid_input (a
    // LINK_OPEN whose tensors differ: says what differs), corrupt (a frame of the wrong size).
    Result<std::optional<Chunk>> receive();

    // The same into a chunk whose memory is used again; false: nothing there, and the chunk is empty.
    Result<bool> receive(Chunk& chunk);

    // The same, but waits until a chunk is there or a signal interrupts the wait (false). Not with a pacer, not on a loop.
    Result<bool> await(Chunk& chunk);

    // One more chunk is the receiver's own now (handed on or kept): counts towards the sender's credit. Sends
    // the credit when half a window has gathered, or, if the chunk was `waited_for`, when the sender could send but one
    // more: who is waited for does not use up what it may send, and a credit takes time from the chunk that it follows.
    // flush_credit() sends what is outstanding (call it when idle). false: it could not be sent yet; a watched receiver
    // sends it by itself when it can, others call again.
    void taken(bool waited_for = false);
    bool flush_credit();
    // The sender may be this many chunks further ahead than usual, from the next credit on (space was made for them).
    void reserve(std::uint64_t chunks);
    bool credit_due() const;  // sending one was tried and has not succeeded since

    std::uint64_t dropped() const;  // stale or malformed messages
    // With a pacer, chunks wait until they are paid for. come_in() takes what is in the socket, so that its way is charged from
    // now on, without giving it out (receive() does that, too); paced_until(): when the next one may be given out, or goes on to
    // its next charge; the epoch of the clock if none waits.
    Result<> come_in();
    TimePoint paced_until() const;
    int fd() const;
    void* native() const;  // for zmq_poll: readable
    std::unique_ptr<Socket::Watch> watch(Loop& loop, std::function<void()> on_ready);

  private:
    struct Impl;
    struct Making;
    explicit LinkReceiver(std::unique_ptr<Impl> impl);
    static Result<Making> make(SocketFactory& sockets, const LinkTerms& terms, bool bound);
    std::unique_ptr<Impl> impl_;
};

class LinkSender {
  public:
    // `from`: "client", "coordinator", or "position/replica". `pacer` (may be nullptr) outlives the sender.
    static Result<LinkSender> connect(SocketFactory& sockets, const wire::LinkEndpoint& endpoint,
                                      LinkTerms terms, std::string from, Pacer* pacer = nullptr);
    // The other way round: waits at `place` (as LinkReceiver::bind) for its receiver. Errors: io, refused,
    // invalid_input.
    static Result<LinkSender> bind(SocketFactory& sockets, const std::string& place, LinkTerms terms, std::string from);
    LinkSender(LinkSender&&) noexcept;
    LinkSender& operator=(LinkSender&&) noexcept;
    ~LinkSender();

    const wire::LinkEndpoint& endpoint() const;  // of both sockets
    void admit(const PublicKey& receiver);       // as LinkReceiver::admit

    // Sends LINK_OPEN when the connection is up; true once it has been sent. Called again until then.
    bool open();
    bool lost();  // a connection broke after that; look now and then, a watch calls for it

    // false: not open yet, the window is used up, or there is no place; the chunk is untouched. The chunk is
    // as its link's terms say (LinkTerms::check). With a pacer a chunk that was sent leaves when it is paid for, by
    // flush_paced(), which is due at paced_until() (the epoch of the clock: nothing waits).
    bool send(Chunk& chunk);
    void flush_paced();
    TimePoint paced_until() const;
    std::size_t paced() const;  // how many wait

    void poll_credit();               // takes credits that have come; send does when the window is used up
    std::uint64_t sent() const;       // chunks since the link was opened
    std::uint64_t confirmed() const;  // of these, taken by the receiver
    std::uint64_t unacknowledged() const { return sent() - confirmed(); }
    std::uint64_t limit() const;  // how many may have been sent by now
    bool has_room() const { return sent() < limit(); }
    const LinkTerms& terms() const;

    // Readable when trying again may help, after open or send said false. credit_fd: when credits may have
    // come, after poll_credit.
    int blocked_fd() const;
    int fd() const;
    int credit_fd() const;
    void* native() const;         // for zmq_poll: writable (the connection is up)
    void* native_credit() const;  // for zmq_poll: readable

    // `on_ready`: credits may have come, or the connection came up or has place again.
    std::unique_ptr<Socket::Watch> watch_credit(Loop& loop, std::function<void()> on_ready);

  private:
    struct Impl;
    struct Making;
    explicit LinkSender(std::unique_ptr<Impl> impl);
    static Result<Making> make(SocketFactory& sockets, const LinkTerms& terms, bool bound);
    std::unique_ptr<Impl> impl_;
};

// Of several senders, the one to push the next chunk to: the fewest unacknowledged chunks, the earliest on a
// tie; nullptr if every window is used up. With more than one it takes the credits that have come first.
LinkSender* fewest_unacknowledged(std::vector<LinkSender>& senders);

}  // namespace fard
