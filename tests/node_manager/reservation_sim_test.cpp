// The simulation's schedules. FARD_SIM_SEED=N replays one with a trace; FARD_SIM_SCHEDULES=N runs the
// seeds 1..N instead of this suite's.
#include "tests/node_manager/reservation_sim.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>

using fard::sim::Simulation;

namespace {

#ifdef FARD_SLOW_SUITE
constexpr std::uint64_t suite_schedules = 20'000;
#else
constexpr std::uint64_t suite_schedules = 300;
#endif

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("no schedule gives a slot two holders, and every run ends") {
    if (const auto seed = from_environment("FARD_SIM_SEED", 0); seed != 0) {
        const auto violation = Simulation(seed, true).run();
        CHECK_MESSAGE(!violation, violation.value_or(""));
        return;
    }
    const auto schedules = from_environment("FARD_SIM_SCHEDULES", suite_schedules);
    Simulation::Counters all;
    int failed = 0;
    for (std::uint64_t seed = 1; seed <= schedules && failed < 3; ++seed) {
        Simulation simulation(seed);
        const auto violation = simulation.run();
        all += simulation.counters();
        CHECK_MESSAGE(!violation, violation.value_or("") << "\nreplay it with FARD_SIM_SEED=" << seed);
        failed += violation.has_value();
    }
    fmt::print(
        "{} schedules, {} steps: {} runs in {} attempts, {} times firm, {} wounds, {} rewirings, {} "
        "overslept, "
        "{} times jobs of expired leases, {} stops, {} kills\n",
        schedules, all.steps, all.runs, all.attempts, all.firm, all.wounds, all.rewirings, all.overslept,
        all.expired_jobs, all.stops, all.kills);
    // A simulation in which these do not happen would show nothing.
    CHECK(all.wounds > 0);
    CHECK(all.overslept > 0);
    CHECK(all.expired_jobs > 0);
    CHECK(all.rewirings > 0);
}
