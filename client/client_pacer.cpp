#include "client/client_pacer.hpp"

namespace fard {
namespace {

using std::chrono::nanoseconds;

std::int64_t now_ns() {
    return nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::int64_t way_ns(const wire::NetworkWay& way, std::size_t bytes) {
    return static_cast<std::int64_t>(way.ps_per_byte * bytes / 1000);
}

TimePoint behind(std::int64_t time_ns, const wire::NetworkWay& way) {
    return TimePoint(nanoseconds(time_ns + static_cast<std::int64_t>(way.latency_ns)));
}

}  // namespace

// What a client sends is there when it sends it.
TimePoint ClientPacer::charge_send(std::size_t bytes, TimePoint) {
    return behind(out_.take(now_ns(), way_ns(way_, bytes)), way_);
}

TimePoint ClientPacer::charge_arrival(std::size_t bytes) {
    const auto taken = way_ns(way_, bytes);
    return behind(in_.take(now_ns() - taken, taken), way_);
}

}  // namespace fard
