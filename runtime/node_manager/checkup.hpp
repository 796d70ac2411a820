// What this board finds when it looks at itself and at its ways to others (`fard doctor`).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "runtime/node_manager/config.hpp"
#include "runtime/peer/front_door.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

wire::Checked check_board(const Config& config);

// Measures ways to other front doors. Lives on the node manager's loop.
class Prober {
  public:
    Prober(Loop& loop, SocketFactory& sockets) : loop_(loop), sockets_(sockets) {}
    ~Prober();
    Prober(const Prober&) = delete;

    // Answers with PROBED, or REFUSED: nobody answers there.
    void probe(const Address& front_door, Reply reply);

  private:
    struct Way {  // that is being measured
        std::unique_ptr<Visitor> visitor;
        std::vector<Reply> replies;
    };
    void fill(const Address& front_door, std::uint64_t bytes, std::function<void(std::uint64_t took_ns)> then);
    void answer(const Address& front_door, const wire::Body& body);

    Loop& loop_;
    SocketFactory& sockets_;
    std::map<Address, Way> ways_;  // by front door
};

wire::Body filled(const wire::Fill& fill);  // FILLED or REFUSED

}  // namespace fard
