// What holds of every network: the soft device computes what the reference interpreter computes, on every row of the
// kernel table that runs here, and a network that is cut computes what it computes whole.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/overlays/random_network.hpp"

namespace fard::test {

struct Checked {
    int networks = 0;                  // that could be imported
    int cuts = 0;                      // places that they were cut at
    std::map<std::string, int> kinds;  // of steps, and how these are computed, over all rows
};

// Checks one network on random inputs of `seed`. Integers agree to the last bit, fractions within ONNX's tolerance;
// on one row, results of stages are those of the whole, bit by bit. Returns false where the network is refused:
// its sums may leave 32 bits.
bool check_network(const RandomNetwork& network, std::uint32_t seed, Checked& checked);

}  // namespace fard::test
