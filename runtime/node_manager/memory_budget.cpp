#include "runtime/node_manager/memory_budget.hpp"

#include <algorithm>

namespace fard {

bool MemoryBudget::take(const Ticket& ticket, std::uint64_t share) {
    auto& own = claims_[ticket];
    if (own.held) return true;
    own.share = share;
    std::uint64_t spoken_for = 0;  // held by anyone, or promised to who is older
    for (const auto& [who, claim] : claims_)
        if (claim.held || who < ticket) spoken_for += std::min(claim.share, bytes_ - std::min(spoken_for, bytes_));
    own.held = share <= bytes_ - spoken_for;
    return own.held;
}

void MemoryBudget::give_back(const Ticket& ticket) {
    claims_.erase(ticket);
}

}  // namespace fard
