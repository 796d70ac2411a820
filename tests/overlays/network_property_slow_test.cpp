// Thousands of generated networks of each form.
#include <doctest/doctest.h>

#include "tests/overlays/network_check.hpp"
#include "tests/overlays/quantizer_network.hpp"

using namespace fard::test;

namespace {

constexpr std::uint32_t first = 10'000, networks = 1'500;

template <typename Make>
void check_made(Make make) {
    Checked checked;
    for (auto seed = first; seed < first + networks; ++seed)
        check_network(make(seed), seed, checked);
    MESSAGE(checked.networks, " of ", networks, " networks, ", checked.cuts, " cuts");
    CHECK(checked.networks > static_cast<int>(networks) * 9 / 10);
}

}  // namespace

TEST_CASE("1,500 networks with annotations and thresholds, as FINN has them") {
    check_made(random_network);
}

TEST_CASE("1,500 QDQ networks") {
    check_made([](auto seed) { return quantizer_network(seed, Quantizers::qdq); });
}

TEST_CASE("1,500 QONNX networks") {
    check_made([](auto seed) { return quantizer_network(seed, Quantizers::qonnx); });
}
