// Small problems in turns: what the planner finds, and what there is.
#pragma once

#include <cstdint>
#include <string>

namespace fard {

struct Turning {
    bool turns = false;  // there is a plan, and none that needs no turns
    double found_s = 0, least_s = 0, bound_s = 0;
    std::string wrong;   // why the planner's is not the least; empty: it is
};

// 64 images in a batch of 64 (throughput), or one image (latency).
Turning compare_turning(std::uint32_t seed, std::size_t images, bool orders);

// 48 images in two to four batches, so that stages may have replicas: the planner does not try all of those, but neither its plan nor any
// other is below its bound.
Turning bound_turning(std::uint32_t seed);

}  // namespace fard
