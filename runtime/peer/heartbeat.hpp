// The heartbeat thread: says every `interval` that this process lives, hears the others, and tells who is
// lost.
#pragma once

#include <memory>
#include <string>

#include "runtime/peer/drop_log.hpp"
#include "runtime/peer/message_parts.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

struct HeartbeatOptions {
    Endpoint endpoint;  // to bind
    Duration interval = std::chrono::milliseconds(250);
    Duration silence_limit = std::chrono::milliseconds(1000);
};

// All methods are thread-safe. The thread answers anyone's PING, a client's too, whatever the rest of the
// process does.
class Heartbeat {
  public:
    // Called on the heartbeat's thread. `ended`: nobody listens at its endpoint any more; else it is silent.
    using Lost = std::function<void(const PeerId&, const std::string& why, bool ended)>;

    static Result<std::unique_ptr<Heartbeat>> start(const Identity& identity, PeerId self,
                                                    HeartbeatOptions options, Lost lost);
    ~Heartbeat();  // joins the thread; `lost` is not called any more

    const Endpoint& endpoint() const;  // as others connect to it
    void add(const wire::Member& member);
    void remove(const PeerId& peer);
    void suspect(const PeerId& peer);  // another peer has lost it: if it is silent for us too, so have we

    void cut_connections();            // who may connect comes back

    Duration silent_for(const PeerId& peer) const;  // since it was heard; max() if it is not known
    DropLog::Counters counters() const;

  private:
    struct Impl;
    explicit Heartbeat(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard
