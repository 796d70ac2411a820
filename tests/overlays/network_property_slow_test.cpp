// Thousands of generated networks of each form; FARD_TEST_NETWORKS of each, where it says so.
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/overlays/network_check.hpp"
#include "tests/overlays/quantizer_network.hpp"

using namespace fard::test;

namespace {

constexpr std::uint32_t first = 10'000;

std::uint32_t networks_to_check() {
    const char* count = std::getenv("FARD_TEST_NETWORKS");
    return count != nullptr ? static_cast<std::uint32_t>(std::strtoul(count, nullptr, 10)) : 1'500;
}

template <typename Make>
void check_made(Make make) {
    const auto networks = networks_to_check();
    Checked checked;
    for (auto seed = first; seed < first + networks; ++seed)
        check_network(make(seed), seed, checked);
    MESSAGE(checked.networks, " of ", networks, " networks, ", checked.cuts, " cuts");
    CHECK(checked.networks > static_cast<int>(networks) * 9 / 10);
}

}  // namespace

TEST_CASE("networks with annotations and thresholds, as FINN has them") {
    check_made(random_network);
}

TEST_CASE("QDQ networks") {
    check_made([](auto seed) { return quantizer_network(seed, Quantizers::qdq); });
}

TEST_CASE("QONNX networks") {
    check_made([](auto seed) { return quantizer_network(seed, Quantizers::qonnx); });
}
