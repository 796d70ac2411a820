// Positions that take turns on two boards: what the planner finds against every cut, folding, board and order.
#include "tests/planner/turning.hpp"

#include <doctest/doctest.h>

namespace fard {

TEST_CASE("plans in turns are the best there is, for many images and for one") {
    for (const std::size_t images : {64, 1}) {
        std::size_t compared = 0;
        for (std::uint32_t seed = 0; compared < 20 && seed < 2000; ++seed) {
            const auto turning = compare_turning(seed, images, compared < 4);
            compared += turning.turns;
            CHECK_MESSAGE(turning.wrong.empty(), "seed " << seed << ", " << images << " images: " << turning.wrong);
        }
        CHECK(compared == 20);
    }
}

TEST_CASE("a stage that another folding beats in cycles and latency is taken where everything ends sooner with it") {
    for (const std::uint32_t seed : {20989, 24778, 25569}) {
        const auto turning = compare_turning(seed, 64, false);
        CHECK(turning.turns);
        CHECK_MESSAGE(turning.wrong.empty(), "seed " << seed << ": " << turning.wrong);
    }
}

TEST_CASE("no plan in several batches, with replicas or without, is below the bound") {
    std::size_t compared = 0;
    for (std::uint32_t seed = 0; compared < 20 && seed < 2000; ++seed) {
        const auto turning = bound_turning(seed);
        compared += turning.turns;
        CHECK_MESSAGE(turning.wrong.empty(), "seed " << seed << ": " << turning.wrong);
    }
    CHECK(compared == 20);
}

}  // namespace fard
