// What takes longer than a test may: small problems in turns against all that can be. turns-campaign [PROBLEMS]; fails where the
// planner's plan is not the best there is.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

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
    return wrong == 0 ? 0 : 1;
}
