// One watch over several links.
#pragma once

#include <memory>
#include <utility>

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

}  // namespace fard
