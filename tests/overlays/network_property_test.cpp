// Hundreds of generated networks; thousands in network_property_slow_test.cpp.
#include <doctest/doctest.h>

#include "tests/overlays/network_check.hpp"
#include "tests/overlays/quantizer_network.hpp"

using namespace fard::test;

namespace {

void check_made(Quantizers quantizers) {
    Checked checked;
    for (std::uint32_t seed = 1; seed <= 300; ++seed)
        check_network(quantizer_network(seed, quantizers), seed, checked);
    MESSAGE(checked.networks, " of 300 networks, ", checked.cuts, " cuts");
    CHECK(checked.networks > 280);
    CHECK(checked.cuts > 600);
    for (const char* kind : {"matrix", "depthwise", "requantize", "concat", "max_pool", "interpreted"})
        CHECK_MESSAGE(checked.kinds[kind] > 0, kind);
}

}  // namespace

TEST_CASE(
    "generated QDQ networks: every row of the kernel table and every cut compute what the reference "
    "computes") {
    check_made(Quantizers::qdq);
}

TEST_CASE(
    "generated QONNX networks: every row of the kernel table and every cut compute what the reference "
    "computes") {
    check_made(Quantizers::qonnx);
}
