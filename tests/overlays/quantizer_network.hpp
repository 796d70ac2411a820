// Small networks of a seed as exporters write them: float operators between quantizers, QDQ or QONNX.
#pragma once

#include <cstdint>

#include "tests/overlays/random_network.hpp"

namespace fard::test {

enum class Quantizers { qdq, qonnx };

// Convolutions (groups, depthwise, dilations, strides, any padding; weights of 1 to 8 bits with one scale or one for
// each channel), batch normalization, activations, pools, residual sums, branches that are joined, dense layers.
RandomNetwork quantizer_network(std::uint32_t seed, Quantizers quantizers);

}  // namespace fard::test
