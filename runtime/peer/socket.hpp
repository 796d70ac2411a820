// The one place where sockets are made. libzmq is fenced here: everything above sees Frame, Socket and
// Result.
//
// Whose sockets they are is said to SocketFactory once, as an Identity; without keys it refuses to bind anywhere but on
// ipc and loopback unless told that insecure is meant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/keys.hpp"
#include "runtime/peer/zap.hpp"

namespace fard {

// One message frame: a reference-counted byte buffer owned by libzmq. Moving is free; share() costs no copy.
class Frame {
  public:
    Frame() noexcept;
    explicit Frame(std::size_t bytes);       // uninitialised, writable
    explicit Frame(std::string_view bytes);  // copies
    Frame(Frame&&) noexcept;
    Frame& operator=(Frame&&) noexcept;
    Frame(const Frame&) = delete;
    ~Frame();

    Frame share() const;  // another reference to the same bytes; neither may be written to from then on
    std::span<const std::byte> bytes() const;
    std::span<std::byte> writable();  // only for a frame that is not shared
    std::string_view text() const;
    std::size_t size() const;
    std::string_view user() const;  // the public key of who sent it, as hex digits; "" where there are no keys

    void* native();  // zmq_msg_t*, for socket.cpp and link.cpp alone

  private:
    alignas(8) std::byte storage_[64];
};

using Message = std::vector<Frame>;  // the frames of one multipart message

enum class SocketKind { pub, sub, router, dealer, push, pull };

struct SocketOptions {
    int high_water_mark = 1000;              // messages, each direction; never 0 (it would mean unlimited)
    bool immediate = false;                  // queue only to connections that are up
    std::int64_t max_frame_bytes = 8 << 20;  // a peer that sends a longer frame is disconnected
};

// Not thread-safe: one thread uses a socket. Closing never blocks (LINGER 0).
class Socket {
  public:
    Socket(Socket&&) noexcept;
    Socket& operator=(Socket&&) noexcept;
    ~Socket();

    // Returns where it is bound now (port 0 is replaced by the one that was free). An ipc socket file gets mode
    // 0600 and is removed with the socket. Errors: io (port or path in use: says so and names it), refused
    // (off loopback without keys), invalid_input (nowhere).
    // With keys, `admission` says who may connect over tcp: nobody, if nothing is said.
    Result<Endpoint> bind(const Endpoint& endpoint, Admission admission = {});
    void admit(std::vector<PublicKey> keys);  // to what is bound, instead of whom bind named
    // Over tcp the other's key must be known if we have one, and must not be if we have none. Errors: io, refused,
    // invalid_input (nowhere).
    Result<> connect(const Address& address);
    Result<> connect(const Endpoint& endpoint) { return connect(Address{endpoint, {}}); }
    // Breaks every connection to what is bound over tcp. Those who may connect come back by themselves.
    void cut_connections();
    void disconnect(const Endpoint& endpoint);
    void subscribe(std::string_view topic);

    // false: the message could not be queued now and is untouched. A message whose connection breaks while
    // its frames are queued is lost as a whole, like one in flight.
    bool try_send(Message& message);
    // false: nothing to receive. The message's frames are replaced.
    bool try_receive(Message& message);

    // The same frame by frame, for who keeps frames elsewhere than in a Message. Only the first frame of a
    // message may find no place or nothing there; the caller sends and receives all of it, and calls
    // recheck() after a burst. Who waits gets none only when a signal has interrupted it.
    enum class Part { none, more, last };
    enum class Wait { no, until_interrupted };
    bool try_send_frame(Frame& frame, Part part);
    Part receive_frame(Frame& frame, Wait wait);

    // Readable when something may have changed since try_receive or try_send last said false.
    int fd() const;
    void* native() const;  // for zmq_poll and monitors
    bool writable();       // a message would find a place now; looks at what has become of the connections first

    // Calls `on_ready` on the loop whenever the socket may have messages (a PUSH or PUB: may take some). The
    // callback drains with try_receive; what it leaves is not announced again until it, or anyone, has called
    // try_receive or try_send. One watch at a time. Undone by the returned guard's destruction, which must
    // come before the loop's; the socket may be moved meanwhile.
    class Watch;
    std::unique_ptr<Watch> watch(Loop& loop, std::function<void()> on_ready);

    // For who uses native() with zmq calls of its own while a watch is on: what changed is looked at again
    // soon.
    void recheck();

  private:
    friend class SocketFactory;
    struct Impl;
    explicit Socket(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

class Socket::Watch {
  public:
    struct State;
    explicit Watch(std::shared_ptr<State> state);
    ~Watch();
    void join(std::shared_ptr<void> other);  // keeps another watch for as long as this one

  private:
    std::shared_ptr<State> state_;
    std::vector<std::shared_ptr<void>> joined_;
};

// Whose sockets they are. Each process says it in one place: a node manager by its configuration, a job by its
// JOB_CONFIG, a client by what its user has.
class Identity {
  public:
    static Identity local() { return {}; }  // binds where no other machine can reach it
    static Identity insecure();             // binds anywhere, open to whoever reaches it
    // All that goes over tcp is encrypted, and both sides prove their keys. `ring` (may be null: nobody has a role) says
    // who may connect, `report` hears of those who may not, on a thread of its own.
    static Identity keyed(KeyPair keys, std::shared_ptr<KeyRing> ring, ZapHandler::Report report = nullptr);

    bool is_insecure() const { return insecure_; }
    bool has_keys() const { return !keys_.public_key.empty(); }
    const KeyPair& keys() const { return keys_; }
    const PublicKey& key() const { return keys_.public_key; }  // empty without keys
    const std::shared_ptr<KeyRing>& ring() const { return ring_; }
    const ZapHandler::Report& report() const { return report_; }

  private:
    Identity() = default;
    bool insecure_ = false;
    KeyPair keys_;
    std::shared_ptr<KeyRing> ring_;
    ZapHandler::Report report_;
};

// What a message of up to 8 KiB is after its receipt. `shared`: a part of the 13 KiB that the connection received it
// into, which stay as long as any message in them does. `copied`: memory of its own, for who keeps messages or has
// hundreds of connections.
enum class Receipt : std::uint8_t { shared, copied };

// Owns the libzmq context. Thread-safe; outlives its sockets.
class SocketFactory {
  public:
    explicit SocketFactory(Identity identity, Receipt receipt = Receipt::shared);
    ~SocketFactory();
    Result<Socket> make(SocketKind kind, SocketOptions options = {});
    // Another context for the same purpose: what holds up one of them does not hold up the other.
    std::unique_ptr<SocketFactory> sibling() const;
    const Identity& identity() const;
    void* native_context();

  private:
    friend class Socket;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard
