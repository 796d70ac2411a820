// One board's node manager: everything that a `fardd` process is, put together.
//
//   front door --> SUBMIT FINISH CANCEL CLIENT_ALIVE --> Coordinator --+
//        |  \----> QUERY FETCH OFFER SHUTDOWN                          | asks boards, this one too
//        +-------> HELLO --> Mesh <------------------------------------+
//                             |---> RESERVE COMMIT RENEW RELEASE SPAWN WIRE DRAIN --> Board --> LeaseTable,
//                             JobHost
//                             +---> GRANT WOUNDED JOB_LOST CANCEL --> Coordinator
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/node_manager/config.hpp"

namespace fard {

// Lives on one loop, which outlives it.
class NodeManager {
  public:
    // Whether this process may have the descriptors and threads that one takes, before anything is made that needs them.
    // Errors: refused, with the limit and what helps.
    static Result<> check_room();

    // Takes the state directory, finds its devices, binds, says that it is ready, and joins the mesh in the
    // background. `stop` is called from the loop when a client or the end of the parent process asks for it.
    // Errors: those of StateDir::take and Socket::bind; invalid_input (ready_fd is not open).
    static Result<std::unique_ptr<NodeManager>> start(Loop& loop, const Config& config,
                                                      std::function<void()> stop);

    // In order: runs are given up, jobs killed and reaped, LEAVE published, sockets removed.
    ~NodeManager();

    const Endpoint& front_door() const;  // as others connect to it

  private:
    struct Impl;
    explicit NodeManager(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard
