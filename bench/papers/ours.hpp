// What fard's planner makes of the same network on the same boards: folding, cuts, replicas and turns are free.
#pragma once

#include "bench/papers/setting.hpp"

namespace fard::papers {

struct Ask {
    std::string network;
    std::uint64_t pixels = 0;
    std::string profile;
    std::size_t boards = 1, chunks = 1;
    bool loaded = false;          // nothing is loaded anew: the row is about what runs
    bool steady = false;          // from the first result to the last; else over the whole time
    bool input_at_first = false;  // chunks lie on the first board
    bool per_joule = false;
    double clock_mhz = 0;         // 0: the profile's
    bool at_other_hosts = true;   // half and double the host costs too
    std::string picture;          // a timeline is wanted
};

struct Ours {
    double value = 0, bound = 0;
    std::string note;      // " (fraction 1.0)" where FINN's fractions hold no plan
    std::string timeline;  // SVG
};

// Mended estimates, FINN's fractions; at fraction 1.0 where nothing fits those.
Result<Ours> ours(const Setting& setting, const Ask& ask);

}  // namespace fard::papers
