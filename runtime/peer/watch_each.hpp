// One watch, and one time, over several links.
#pragma once

#include <memory>
#include <utility>

#include "runtime/peer/pacer.hpp"
#include "runtime/peer/socket.hpp"

namespace fard {

// `watch_one` gives the watch of one link; all live as long as what is returned. None of no links.
template <typename Links, typename WatchOne>
std::unique_ptr<Socket::Watch> watch_each(Links& links, const WatchOne& watch_one) {
    std::unique_ptr<Socket::Watch> all;
    for (auto& link : links) {
        auto watch = watch_one(link);
        if (all)
            all->join(std::move(watch));
        else
            all = std::move(watch);
    }
    return all;
}

// The earliest time that `time_of` says of any of them; the epoch of the clock: none says one.
template <typename Links, typename TimeOf>
TimePoint earliest(const Links& links, TimeOf time_of) {
    auto first = TimePoint{};
    for (const auto& link : links)
        first = earlier(first, (link.*time_of)());
    return first;
}

}  // namespace fard
