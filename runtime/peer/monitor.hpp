// What happens to the connections of a socket. With socket.cpp the only place that calls libzmq for control
// sockets.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "runtime/peer/socket.hpp"

namespace fard {

enum class ConnectionEvent {
    accepted,      // a bound socket: somebody connects, the handshake follows
    connected,     // the handshake is done
    disconnected,  // a connection broke: the other process ended, closed it, or the network said so; also of one
                   // whose handshake failed
    refused,       // an attempt to connect (again) failed: nobody listens there
    revoked,       // the other side does not let our key in any more; it is not tried again
    otherwise,     // the other side has keys and we have none, or the other way round; it is not tried again
};

// What has happened to a socket's connections, for who looks now and then. One for each socket; goes before the
// socket.
class ConnectionLog {
  public:
    static Result<ConnectionLog> open(SocketFactory& sockets, Socket& socket);
    ConnectionLog(ConnectionLog&& other) noexcept;
    ConnectionLog& operator=(ConnectionLog&& other) noexcept;
    ~ConnectionLog();

    std::optional<ConnectionEvent> next();  // in the order of their happening; nothing if there is no more
    int fd() const;                         // readable when there may be more than next() has said

  private:
    ConnectionLog(void* watched, void* pair) : watched_(watched), pair_(pair) {}
    void* watched_ = nullptr;
    void* pair_ = nullptr;
};

// Watches one connecting socket. Lives on the socket's loop; goes before the socket.
class ConnectionMonitor {
  public:
    using Event = ConnectionEvent;
    using Handler = std::function<void(Event)>;

    static Result<std::unique_ptr<ConnectionMonitor>> watch(Loop& loop, SocketFactory& sockets,
                                                            Socket& socket, Handler handler);
    ~ConnectionMonitor();  // may be called from the handler

  private:
    struct Impl;
    explicit ConnectionMonitor(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

// How soon a socket that connects tries again; before connect(). Every further attempt doubles it up to
// `longest`.
void set_reconnect(Socket& socket, Duration first, Duration longest);

// How long the process may wait for what is queued in a closed socket to leave; before the socket is closed.
void set_linger(Socket& socket, Duration linger);

}  // namespace fard
