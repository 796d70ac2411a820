// What happens to the connections of a socket. With socket.cpp the only place that calls libzmq for control
// sockets.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/peer/socket.hpp"

namespace fard {

// Watches one connecting socket. Lives on the socket's loop; goes before the socket.
class ConnectionMonitor {
  public:
    enum class Event {
        connected,     // the handshake is done
        disconnected,  // an established connection broke: the other process ended, closed it, or the network
                       // said so
        refused,       // an attempt to connect (again) failed: nobody listens there
    };
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
