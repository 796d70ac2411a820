// Small networks of a seed: every kind of layer that the soft device has a step for, in random sizes and
// types.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "model/model.hpp"

namespace fard::test {

struct RandomNetwork {
    std::string onnx;
    std::string description;  // for the failing case
};
RandomNetwork random_network(std::uint32_t seed);

// Bytes of all inputs in wire form, every element within its type; fractions within -2 and 2.
std::vector<std::vector<std::byte>> random_inputs(const model::Model& model, std::mt19937& random);

}  // namespace fard::test
