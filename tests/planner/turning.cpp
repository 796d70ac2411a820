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

Turning bound_turning(std::uint32_t seed) {
    const auto [network, cluster] = turning_problem(seed);
    constexpr std::size_t images = 48;
    const auto batch = images / (2 + seed % 3);
    Turning result;
    if (splitter::fewest_slots(network, cluster)) return result;
    const auto all = try_every_schedule(network, cluster, images, batch, false);
    result.turns = std::isfinite(all.wall_s);
    if (!result.turns) return result;
    result.least_s = all.wall_s;
    planner::Wish wish;
    wish.run.chunks = images;
    wish.window = images;
    wish.batch = batch;
    const auto found = planner::plan_network(network, cluster, {}, wish);
    if (!found) {
        result.wrong = found.error().message;
        return result;
    }
    result.found_s = found->simulated.wall_s();
    result.bound_s = planner::least_wall_s(network, cluster, images, batch);
    if (found->bound_s > result.found_s * (1 + 1e-9))
        result.wrong = fmt::format("{:.9g} s found, below its own bound of {:.9g} s", result.found_s, found->bound_s);
    if (result.bound_s > std::min(result.least_s, result.found_s) * (1 + 1e-9))
        result.wrong = fmt::format("{:.9g} s is the least, {:.9g} s found, below the bound of {:.9g} s", result.least_s, result.found_s,
                                   result.bound_s);
    return result;
}

}  // namespace fard
