// What every row stands on: networks, boards, and how a plan is asked for. One set of constants for each kind of board, for their
// policies and for ours: overlays/boards/*.toml.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "planner/plan.hpp"
#include "splitter/estimates/describe.hpp"

namespace fard::papers {

struct Setting {
    std::filesystem::path networks;  // what tools/bench_networks.py wrote
    std::filesystem::path source;    // this tree
    std::filesystem::path foldings;  // of FINN's examples
    double host = 1;                 // host costs times this, on all boards
};

// `count` boards of a profile, with the client at the same switch. `fraction` 0: FINN's.
Result<splitter::Cluster> boards(const Setting& setting, const std::string& profile, std::size_t count, double fraction);

// A network of 8-bit pixels: `pixels` bytes in, whatever type the model declares for them. `folding`: a file's, so that the
// estimates are FINN's own; "": all foldings, mended estimates.
Result<splitter::Network> network(const Setting& setting, const std::string& name, const splitter::Cluster& cluster,
                                  std::uint64_t pixels, const std::string& folding);

// A raw 224x224x3 image.
inline constexpr std::uint64_t image_bytes = 150'528, cifar_bytes = 3'072;

// Tensors as FINN's DMA has them: a byte for each element of less than 8 bits. Cuts between layers only.
splitter::Network in_whole_bytes(splitter::Network network, double elements_per_byte);

}  // namespace fard::papers
