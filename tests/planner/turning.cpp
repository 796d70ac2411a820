#include "tests/planner/turning.hpp"

#include <fmt/format.h>

#include <cmath>

#include "planner/least.hpp"
#include "planner/plan.hpp"
#include "splitter/report/explain.hpp"
#include "tests/planner/every_schedule.hpp"
#include "tests/splitter/random_problems.hpp"

namespace fard {

Turning compare_turning(std::uint32_t seed, std::size_t images, bool orders) {
    const auto [network, cluster] = turning_problem(seed);
    Turning result;
    const auto slots = splitter::fewest_slots(network, cluster);
    if (slots) return result;
    const auto all = try_every_schedule(network, cluster, images, images, orders);
    result.turns = std::isfinite(all.wall_s);
    result.least_s = all.wall_s;
    planner::Wish wish;
    wish.run.chunks = images;
    wish.batch = wish.window = images;
    const auto found = planner::plan_network(network, cluster, {}, wish);
    if (!result.turns) {
        if (found) result.wrong = "a plan is found where there is none";
        return result;
    }
    if (!found) {
        result.wrong = found.error().message;
        return result;
    }
    result.found_s = found->simulated.wall_s();
    if (std::abs(result.found_s - result.least_s) > 1e-9 * result.least_s)
        result.wrong = fmt::format("{:.9g} s found, {:.9g} s is the least", result.found_s, result.least_s);
    if (!found->everything) result.wrong = "the planner does not know that it tried everything";
    if (const auto bound = planner::least_wall_s(network, cluster, images, images); bound > result.least_s * (1 + 1e-9))
        result.wrong = fmt::format("{:.9g} s is the least, below the bound of {:.9g} s", result.least_s, bound);
    return result;
}

}  // namespace fard
