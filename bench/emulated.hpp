// What bench/emulated measures, one function for each row or two.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "overlays/profiles/board_profile.hpp"
#include "runtime/peer/link.hpp"
#include "runtime/peer/message_parts.hpp"

namespace fard::bench {

struct Row {
    std::string what, unit;
    double measured = 0, promised = 0;
    double tolerance = 0;  // of the promise
    double slack = 0;      // or so much of the unit
    double bar() const { return std::max(tolerance * promised, slack); }
    bool reached() const { return std::abs(measured - promised) <= bar(); }
};

constexpr std::int64_t image_bytes = 150'528;  // 224 x 224 x 3
std::uint64_t image_chunk_bytes();             // with its header

// A board of this profile whose package promises these times, between a source and a sink that are a client: interval and
// latency where results arrive, medians over `chunks`, and how many of them were late.
Result<std::vector<Row>> measure_board(const BoardProfile& profile, std::int64_t latency_cycles, std::int64_t interval_cycles,
                                       int chunks);

// Images in a second that a pacer's owner gets from so many boards at once, and the share of whom it gets the least from.
struct Flow {
    double per_s = 0;
    double least_share = 0;
};
Result<Flow> flow_from(std::size_t boards, const BoardProfile& profile, Pacer& pacer, int chunks);

// The same through sockets that the kernel holds to a rate: a sink prints the endpoints of its links, one a line, then takes
// chunks from a source each, and returns their rate; a source sends until its link breaks.
Result<Flow> serve_sink(const std::string& place, std::size_t flows, int chunks);
Result<> serve_source(const wire::LinkEndpoint& to, std::uint32_t number);

}  // namespace fard::bench
