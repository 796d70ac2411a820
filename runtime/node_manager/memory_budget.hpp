// What the runs of one coordinator may hold of their chunks together: a node manager on a small board must outlive forty
// impatient users. A run takes its share before it asks for places and gives it back when it has ended; where there is
// too little the lowest ticket comes first. Pure.
#pragma once

#include <cstdint>
#include <map>

#include "runtime/peer/ids.hpp"

namespace fard {

class MemoryBudget {
  public:
    MemoryBudget() = default;
    explicit MemoryBudget(std::uint64_t bytes) : bytes_(bytes) {}

    std::uint64_t bytes() const { return bytes_; }

    // Whether the run has its share from now on; asked again until it has. A younger run gets none of what an older
    // one waits for.
    bool take(const Ticket& ticket, std::uint64_t share);
    void give_back(const Ticket& ticket);

  private:
    struct Claim {
        std::uint64_t share = 0;
        bool held = false;
    };
    std::uint64_t bytes_ = std::uint64_t{1} << 30;
    std::map<Ticket, Claim> claims_;  // oldest first
};

}  // namespace fard
