// What takes longer than a test may: thousands of small problems against exhaustive search, and large ones with their certified
// gaps and times. search-campaign [SMALL [LARGE [LAYERS [BOARDS [KINDS]]]]]; fails where an optimum or the bar of the gap is missed.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "splitter/search/search.hpp"
#include "tests/splitter/exhaustive.hpp"
#include "tests/splitter/random_problems.hpp"

namespace fard {
namespace {

using namespace splitter;

// Of this process, on whatever else the machine has to do.
double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

bool equals(const Result<Found>& found, Strategy strategy, double best) {
    if (!std::isfinite(best)) return !found;
    return found && std::abs(found->value_s(strategy) - best) <= 1e-7 * best && std::abs(found->bound_s - best) <= 1e-7 * best;
}

bool small_ones(std::uint32_t count) {
    std::size_t wrong = 0, feasible = 0;
    for (std::uint32_t seed = 0; seed < count; ++seed) {
        const auto [network, cluster] = small_problem(seed);
        const auto best = try_everything(network, cluster);
        feasible += std::isfinite(best.period_s);
        const bool right = equals(search(network, cluster, {Strategy::throughput, {}}), Strategy::throughput, best.period_s) &&
                           equals(search(network, cluster, {Strategy::latency, {}}), Strategy::latency, best.latency_s);
        if (!right) fmt::print("seed {} differs from exhaustive search\n", seed);
        wrong += !right;
    }
    fmt::print("{} small problems, {} with a plan: {} differ from exhaustive search\n", count, feasible, wrong);
    return wrong == 0;
}

struct Row {
    double gap = 0, seconds = 0;
};

bool large_ones(Strategy strategy, std::uint32_t count, std::size_t layers, std::size_t boards, std::size_t kinds) {
    std::vector<Row> rows;
    for (std::uint32_t seed = 0; seed < count; ++seed) {
        const auto [network, cluster] = large_problem(seed, layers, boards, kinds);
        const auto start = processor_seconds();
        const auto found = search(network, cluster, {strategy, {}});
        const double seconds = processor_seconds() - start;
        if (!found) {
            fmt::print("seed {}: {}\n", seed, found.error().message);
            return false;
        }
        const auto value = found->value_s(strategy);
        rows.push_back({(value - found->bound_s) / value, seconds});
        fmt::print("seed {}: {} {:.6g} ms, {} stages, gap {:.2f} %, {:.2f} s\n", seed, name_of(strategy), value * 1e3,
                   found->plan.stages.size(), rows.back().gap * 100, seconds);
    }
    if (rows.empty()) return true;
    std::ranges::sort(rows, {}, &Row::gap);
    const auto slowest = std::ranges::max(rows, {}, &Row::seconds).seconds;
    fmt::print("{} layers on {} boards of {} kinds, {}: gap median {:.2f} %, worst {:.2f} %; slowest {:.2f} s\n", layers, boards,
               kinds, name_of(strategy), rows[rows.size() / 2].gap * 100, rows.back().gap * 100, slowest);
    std::fflush(stdout);
    return rows[rows.size() / 2].gap <= 0.05;
}

}  // namespace
}  // namespace fard

int main(int argc, char** argv) {
    const auto number = [&](int place, std::size_t otherwise) {
        return argc > place ? static_cast<std::size_t>(std::atoi(argv[place])) : otherwise;
    };
    const auto layers = number(3, 1000), boards = number(4, 64), kinds = number(5, 4);
    const auto large = static_cast<std::uint32_t>(number(2, 20));
    bool right = fard::small_ones(static_cast<std::uint32_t>(number(1, 2000)));
    right &= fard::large_ones(fard::splitter::Strategy::throughput, large, layers, boards, kinds);
    right &= fard::large_ones(fard::splitter::Strategy::latency, large, layers, boards, kinds);
    return right ? 0 : 1;
}
