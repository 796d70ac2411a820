// A client of emulated boards counts as one: it has a network way in and one out, as its coordinator's board has, and a
// processor that costs nothing.
#pragma once

#include <algorithm>

#include "overlays/emulated/board_memory.hpp"
#include "runtime/peer/message_parts.hpp"
#include "runtime/peer/pacer.hpp"

namespace fard {

// One of a client, for all its runs. On one thread.
class ClientPacer final : public Pacer {
  public:
    // What a stranger says of a way is taken as far as it makes sense: 8 kbit/s, 10 s.
    explicit ClientPacer(const wire::NetworkWay& way)
        : way_{std::min<std::uint64_t>(way.ps_per_byte, 1'000'000'000), std::min<std::uint64_t>(way.latency_ns, 10'000'000'000)} {}

    std::uint64_t place() const override { return 0; }
    TimePoint charge_send(std::size_t bytes, TimePoint since) override;
    TimePoint charge_arrival(std::size_t bytes) override;
    TimePoint charge_receive(std::size_t, TimePoint since) override { return since; }

  private:
    wire::NetworkWay way_;
    Reserved in_, out_;
};

}  // namespace fard
