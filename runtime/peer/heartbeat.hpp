// The heartbeat thread: says every `interval` that this process lives, hears the others, and tells who is
// lost.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "runtime/peer/drop_log.hpp"
#include "runtime/peer/message_parts.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

struct HeartbeatOptions {
    Endpoint endpoint;  // to bind
    Duration interval = std::chrono::milliseconds(250);
    Duration silence_limit = std::chrono::milliseconds(1000);
};

// All methods are thread-safe. The thread has a libzmq context of its own, so that nothing which the rest of the
// process does with its sockets can hold it up, and answers anyone's PING, a client's too.
class Heartbeat {
  public:
    struct Loss {
        PeerId peer;
        std::string why;
        bool ended = false;  // nobody listens at its endpoint any more; else it is silent
        bool alone = false;  // most of those that we should hear are silent
    };
    // Called on the heartbeat's thread.
    using Lost = std::function<void(const Loss&)>;

    static Result<std::unique_ptr<Heartbeat>> start(const SocketFactory& sockets, PeerId self,
                                                    HeartbeatOptions options, Lost lost);
    ~Heartbeat();  // joins the thread; `lost` is not called any more

    const Endpoint& endpoint() const;  // as others connect to it

    void add(const wire::Member& member);  // somebody who may be asked about
    void remove(const PeerId& peer);
    // Whom we send heartbeats, and who sends them to us; others are left alone from now on.
    void watch(std::vector<PeerId> behind, std::vector<PeerId> before);

    void cut_connections();  // who may connect comes back
    Duration silent_for(const PeerId& peer) const;  // since it was heard; max() if it is not watched
    bool alone() const;                             // as of a loss
    DropLog::Counters counters() const;

  private:
    struct Impl;
    explicit Heartbeat(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard
