// How many pieces may be under way to or from one peer at a time: as many as keep the way between busy, and no
// more, because everything else that takes that way waits behind them.
#pragma once

#include <chrono>
#include <cstddef>

#include "base/loop.hpp"

namespace fard {

class FlowWindow {
  public:
    std::size_t size() const { return size_; }

    // One piece was answered so long after it was asked for or sent. Five of 128 KiB take 52 ms at 100 Mbit/s: so long may
    // the peer be busy with something else before the way stands idle.
    void answered(Duration took) {
        using namespace std::chrono_literals;
        if (took < 30ms) {
            if (size_ < most) ++size_;
        } else if ((took > 60ms && size_ > usual) || (took > 400ms && size_ > 1)) {
            --size_;  // others share the way, or it is slow
        } else if (took < 200ms && size_ < usual) {
            ++size_;
        }
    }

  private:
    static constexpr std::size_t most = 8, usual = 5, first = 3;
    std::size_t size_ = first;
};

}  // namespace fard
