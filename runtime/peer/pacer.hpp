// What a board's slow host and its network charge for sending and receiving: a link that is given a Pacer keeps each chunk
// back until that is paid. Links do not know why they wait.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/loop.hpp"

namespace fard {

// One is shared by all links of its owner, on the owner's thread.
class Pacer {
  public:
    virtual ~Pacer() = default;

    // Which board this is. A link between two ends of one place is free; 0 is no place.
    virtual std::uint64_t place() const = 0;

    // Charges for one chunk of `bytes` that is there since then (the epoch of the clock: now). Returns when it has left; a time that
    // is past: at once.
    virtual TimePoint charge_send(std::size_t bytes, TimePoint since) = 0;
    // Charges the way for one whose last byte came now; it came in while it left its sender. Returns when it is in.
    virtual TimePoint charge_arrival(std::size_t bytes) = 0;
    // Charges for taking it in hand from `since`, when it was in. Returns when that is done.
    virtual TimePoint charge_receive(std::size_t bytes, TimePoint since) = 0;
    // A chunk has left so long after it was to: after what charge_send returned, or, on a link that is free, after it was there.
    virtual void left(Duration) {}
};

// The earlier of two times; the epoch of the clock stands for none.
inline TimePoint earlier(TimePoint one, TimePoint other) {
    if (one == TimePoint{} || other == TimePoint{}) return one == TimePoint{} ? other : one;
    return one < other ? one : other;
}

}  // namespace fard
