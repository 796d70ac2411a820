// What takes longer than a test may: small problems in turns against all that can be. turns-campaign [PROBLEMS]; fails where the
// planner's plan in one batch is not the best there is, and where one in several batches is below the bound.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/planner/turning.hpp"

int main(int argc, char** argv) {
    const auto wanted = argc > 1 ? static_cast<std::size_t>(std::atoi(argv[1])) : 2000;
    constexpr std::uint32_t with_all_orders = 200;
    std::size_t wrong = 0;
    for (const std::size_t images : {64, 1}) {
        std::size_t compared = 0;
        for (std::uint32_t seed = 0; compared < wanted && seed < 100 * wanted; ++seed) {
            const auto turning = fard::compare_turning(seed, images, seed < with_all_orders);
            compared += turning.turns;
            if (turning.wrong.empty()) continue;
            ++wrong;
            fmt::print("seed {}, {} images: {}\n", seed, images, turning.wrong);
        }
        fmt::print("{} problems in turns, {} image{} in one batch: {} differ so far\n", compared, images, images == 1 ? "" : "s", wrong);
        std::fflush(stdout);
    }
    std::vector<double> gaps, above;  // of the plan over the bound; over the best of all
    for (std::uint32_t seed = 0; gaps.size() < wanted && seed < 100 * wanted; ++seed) {
        const auto turning = fard::bound_turning(seed);
        if (!turning.wrong.empty()) {
            ++wrong;
            fmt::print("seed {}, several batches: {}\n", seed, turning.wrong);
        }
        if (!turning.turns) continue;
        gaps.push_back(turning.found_s / turning.bound_s - 1);
        above.push_back(turning.found_s / turning.least_s - 1);
    }
    std::ranges::sort(gaps);
    std::ranges::sort(above);
    const auto worse = static_cast<std::size_t>(std::ranges::count_if(above, [](double gap) { return gap > 1e-9; }));
    fmt::print("{} problems in several batches: {} differ so far; gap to the bound: median {:.1f} %, worst {:.1f} %; {} plans are not the best that "
               "was followed, by {:.1f} % at most\n",
               gaps.size(), wrong, gaps[gaps.size() / 2] * 100, gaps.back() * 100, worse, above.back() * 100);
    return wrong == 0 ? 0 : 1;
}
