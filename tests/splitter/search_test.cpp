#include "splitter/search/with_parts.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <random>

#include "splitter/search/choose.hpp"
#include "splitter/search/lattice.hpp"
#include "tests/splitter/exhaustive.hpp"
#include "tests/splitter/random_problems.hpp"

namespace fard {
namespace {

using namespace splitter;

std::uint32_t problems() {
    const char* text = std::getenv("FARD_TEST_PROBLEMS");
    return text ? static_cast<std::uint32_t>(std::atoi(text)) : 300;
}

void compare(std::uint32_t seed, Strategy strategy, const RandomProblem& problem, double best) {
    INFO("seed " << seed << ", " << name_of(strategy));
    const auto found = search(problem.network, problem.cluster, {strategy, {}});
    if (!std::isfinite(best)) {
        CHECK_FALSE(found);
        return;
    }
    REQUIRE_MESSAGE(found, (found ? "" : found.error().message));
    CHECK(found->value_s(strategy) == doctest::Approx(best).epsilon(1e-7));
    CHECK(found->bound_s == doctest::Approx(best).epsilon(1e-7));
}

}  // namespace

TEST_CASE("throughput and latency are what exhaustive search finds") {
    std::size_t feasible = 0, plans = 0;
    for (std::uint32_t seed = 0; seed < problems(); ++seed) {
        const auto problem = small_problem(seed);
        const auto best = try_everything(problem.network, problem.cluster);
        feasible += std::isfinite(best.period_s);
        plans += best.plans;
        compare(seed, Strategy::throughput, problem, best.period_s);
        compare(seed, Strategy::latency, problem, best.latency_s);
    }
    MESSAGE(feasible << " of " << problems() << " problems have a plan; " << plans << " plans were tried");
    CHECK(feasible * 3 > problems());
}

TEST_CASE("options are chosen where they fit, and refused where none do") {
    std::mt19937 random(3);
    const auto upto = [&](std::int64_t most) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most + 1)); };
    std::size_t fit = 0, decided = 0;
    constexpr std::size_t tries = 2000;
    for (std::size_t i = 0; i < tries; ++i) {
        const Resources budget{{1000, 2000, 30, 0, 40}};
        std::vector<std::vector<Resources>> options(1 + random() % 6);
        for (auto& layer : options)
            for (std::size_t n = 0; n <= random() % 4; ++n)
                layer.push_back({{upto(500), upto(900), upto(14), 0, upto(20)}});
        bool any = false;
        const std::function<void(std::size_t, Resources)> try_all = [&](std::size_t layer, const Resources& sum) {
            if (layer == options.size()) any |= sum.fits(budget);
            else
                for (const auto& need : options[layer])
                    try_all(layer + 1, sum + need);
        };
        try_all(0, {});
        const Needs needs(options.begin(), options.end());
        std::vector<std::size_t> chosen;
        REQUIRE(choose(needs, budget, 100'000, chosen) == (any ? Fit::yes : Fit::no));
        fit += any;
        if (any) {
            Resources sum;
            for (std::size_t layer = 0; layer < options.size(); ++layer)
                sum += options[layer][chosen[layer]];
            CHECK(sum.fits(budget));
        }
        decided += choose(needs, budget, 1, chosen) != Fit::unknown;  // without a search
    }
    CHECK(fit * 10 > tries);
    CHECK(fit * 10 < 9 * tries);
    CHECK(decided * 10 > tries * 8);
}

TEST_CASE("where stages surely reach there are foldings") {
    std::mt19937 random(5);
    const auto upto = [&](std::int64_t most) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most + 1)); };
    for (int problem = 0; problem < 20; ++problem) {
        Network network{.cuts = {{0, 1}}};
        for (std::size_t i = 0; i < 60; ++i) {
            auto& layer = network.layers.emplace_back();
            for (int n = 0; n < 12; ++n)
                layer.foldings.push_back({{{upto(200), upto(200), upto(200), upto(200), upto(200)}}, 1 + upto(4), 0});
            network.cuts.push_back({i + 1, 1});
        }
        StageSolver solver(network, {{2000, 2000, 2000, 2000, 2000}});
        for (std::int64_t limit = 1; limit <= 5; ++limit) {
            const auto reach = solver.reach(limit).surely;
            for (std::size_t begin = 0; begin + 1 < network.cuts.size(); ++begin)
                for (auto end = begin + 1; end <= reach[begin]; ++end)
                    CHECK(solver.fit(begin, end, limit));
        }
    }
}

TEST_CASE("no period is refuted that replicas on the slots of one board keep, where fewer of them are of no use") {
    Network network{.name = "one", .layers = {{.name = "layer", .foldings = {{{{1, 1, 1, 0, 0}}, 3000, 0}}}}, .cuts = {{0, 100}, {1, 100}}};
    Board board{.name = "b", .profile = "a", .slots = 4};
    board.usable.of = board.whole.of = {10, 10, 10, 10, 10};
    board.clock_hz = 1e6;
    board.way = {1e9, 0};
    const Cluster cluster{.boards = {board}, .client = {1e9, 0}};
    Problem problem(network, cluster);
    Lattice lattice(problem);
    CHECK(lattice.refutes(0.7e-3));
    CHECK_FALSE(lattice.refutes(1.001e-3));  // by three or four
    CHECK_FALSE(lattice.refutes(3.001e-3));
}

TEST_CASE("no strategy is better than throughput, or shorter than latency") {
    for (std::uint32_t seed = 0; seed < 4; ++seed) {
        const auto problem = large_problem(seed, 30, 6, 2);
        const auto best = search(problem.network, problem.cluster, {Strategy::throughput, {}});
        const auto quickest = search(problem.network, problem.cluster, {Strategy::latency, {}});
        REQUIRE(best);
        REQUIRE(quickest);
        CHECK(best->bound_s <= best->cost.period_s);
        CHECK(quickest->bound_s <= quickest->cost.latency_s);
        for (const auto strategy : {Strategy::occupancy, Strategy::traffic, Strategy::balance}) {
            const auto other = search(problem.network, problem.cluster, {strategy, {}});
            if (!other) continue;
            CHECK(best->cost.period_s <= other->cost.period_s);
            CHECK(quickest->cost.latency_s <= other->cost.latency_s);
            CHECK(other->bound_s <= best->cost.period_s * (1 + 1e-9));
        }
        CHECK(quickest->cost.latency_s <= best->cost.latency_s);
        CHECK(best->cost.period_s <= quickest->cost.period_s);
    }
}

TEST_CASE("a layer too large for any board is made in parts, in small clusters and in large ones") {
    for (const std::size_t boards : {6, 24}) {
        auto problem = large_problem(3, 12, boards, 2);
        auto& network = problem.network;
        auto& large = network.layers[5];
        large.foldings = {{{{1'000, 1'000, 900, 0, 0}}, 200'000, 10'000}};  // the larger kind gives 448 BRAM18
        int offers = 0;
        const auto offer = [&](std::size_t layer) {
            if (!network.layers[layer].parts.empty()) return false;
            ++offers;
            auto& parts = network.layers[layer].parts;
            for (std::int64_t n = 2; n <= 8; ++n)
                for (auto folding : network.layers[layer].foldings) {
                    if (parts.size() + 1 < static_cast<std::size_t>(n)) parts.emplace_back();
                    folding.need.of[2] = (folding.need.of[2] + n - 1) / n;
                    folding.cycles = (folding.cycles + n - 1) / n;
                    folding.fill /= n;
                    parts.back().push_back(folding);
                }
            return true;
        };
        CHECK_FALSE(search(network, problem.cluster, {Strategy::throughput, {}}));
        for (const auto strategy : {Strategy::throughput, Strategy::latency}) {
            const auto found = search_with_parts(network, problem.cluster, {strategy, {}}, offer);
            REQUIRE_MESSAGE(found, found.error().message);
            CHECK(offers > 0);
            const auto& stages = found->plan.stages;
            const auto split = std::ranges::find_if(stages, [](const PlannedStage& stage) { return stage.begin == 5; });
            REQUIRE(split != stages.end());
            CHECK(split->parts >= 3);
            CHECK(found->bound_s <= found->value_s(strategy) * (1 + 1e-9));
        }
        const auto simple = search_with_parts(network, problem.cluster, {Strategy::occupancy, {}}, offer);
        CHECK_FALSE(simple);
    }
}

TEST_CASE("an exact number of stages is kept, or refused with a reason") {
    const auto problem = large_problem(1, 12, 4, 1);
    for (const auto strategy : {Strategy::traffic, Strategy::balance, Strategy::throughput, Strategy::latency}) {
        const auto found = search(problem.network, problem.cluster, {strategy, 3});
        REQUIRE(found);
        CHECK(found->plan.stages.size() == 3);
    }
    const auto many = search(problem.network, problem.cluster, {Strategy::throughput, 13});
    REQUIRE_FALSE(many);
    CHECK(many.error().message.find("can be cut into 1 to 12") != std::string::npos);
    CHECK(search(problem.network, problem.cluster, {Strategy::throughput, 5}).error().message.find("give more boards") !=
          std::string::npos);
}

}  // namespace fard
