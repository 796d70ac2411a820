// What a board's slow host charges for sending and receiving: a link that is given a Pacer keeps each chunk
// back until that is paid. Links do not know why they wait.
#pragma once

#include <cstddef>

#include "base/loop.hpp"

namespace fard {

class Pacer {
  public:
    virtual ~Pacer() = default;

    // Charges for one chunk of `bytes`; returns when that is over (now, or the past, for free).
    virtual TimePoint charge_send(std::size_t bytes) = 0;
    virtual TimePoint charge_receive(std::size_t bytes) = 0;
};

}  // namespace fard
