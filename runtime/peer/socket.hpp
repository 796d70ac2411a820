// The one place where sockets are made. libzmq is fenced here: everything above sees Frame, Socket and Result.
//
// Keys: SocketFactory is where CURVE keys are set on every socket; without keys it refuses to bind anywhere but on
// ipc and loopback unless told that insecure is meant.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"

namespace fard {

// One message frame: a reference-counted byte buffer owned by libzmq. Moving is free; share() costs no copy.
class Frame {
  public:
    Frame() noexcept;
    explicit Frame(std::size_t bytes);        // uninitialised, writable
    explicit Frame(std::string_view bytes);   // copies
    Frame(Frame&&) noexcept;
    Frame& operator=(Frame&&) noexcept;
    Frame(const Frame&) = delete;
    ~Frame();

    Frame share() const;  // another reference to the same bytes; neither may be written to from then on
    std::span<const std::byte> bytes() const;
    std::span<std::byte> writable();  // only for a frame that is not shared
    std::string_view text() const;
    std::size_t size() const;

    void* native();  // zmq_msg_t*, for socket.cpp and link.cpp alone

  private:
    alignas(8) std::byte storage_[64];
};

using Message = std::vector<Frame>;  // the frames of one multipart message

enum class SocketKind { pub, sub, router, dealer, push, pull };

struct SocketOptions {
    int high_water_mark = 1000;  // messages, each direction; never 0 (it would mean unlimited)
    bool immediate = false;      // queue only to connections that are up
};

// Not thread-safe: one thread uses a socket. Closing never blocks (LINGER 0).
class Socket {
  public:
    Socket(Socket&&) noexcept;
    Socket& operator=(Socket&&) noexcept;
    ~Socket();

    // Returns the endpoint as others connect to it (a wildcard port resolved). Errors: io (port in use: says so and
    // names it), refused (off loopback without keys), invalid_input (not an endpoint).
    Result<std::string> bind(const std::string& endpoint);
    Result<> connect(const std::string& endpoint);
    void disconnect(const std::string& endpoint);
    void subscribe(std::string_view topic);

    // false: the message could not be queued now and is untouched.
    bool try_send(Message& message);
    // false: nothing to receive. The message's frames are replaced.
    bool try_receive(Message& message);

    int fd() const;          // readable when something may have changed; check by try_receive until it says false
    void* native() const;    // for zmq_poll and monitors

    // Calls `on_ready` on the loop whenever the socket may have messages. The callback drains with try_receive. Undone
    // by the returned guard's destruction, which must come before the socket's.
    class Watch;
    std::unique_ptr<Watch> watch(Loop& loop, std::function<void()> on_ready);

  private:
    friend class SocketFactory;
    struct Impl;
    explicit Socket(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

struct SocketPolicy {
    bool insecure = false;  // bind off loopback without keys
};

// Owns the libzmq context. Thread-safe; outlives its sockets.
class SocketFactory {
  public:
    explicit SocketFactory(SocketPolicy policy = {});
    ~SocketFactory();
    Result<Socket> make(SocketKind kind, SocketOptions options = {});
    void* native_context();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard
