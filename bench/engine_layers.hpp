// A network layer by layer: our steps, and oneDNN's convolutions of the same shapes in turns with them.
#pragma once

#include <nlohmann/json.hpp>

#include "bench/core_peaks.hpp"
#include "bench/engine_network.hpp"

namespace fard::bench {

// Adds "layers" to the network's row: one entry for each step of its plan, medians of `rounds` turns. With `onednn` the entries
// of convolutions have oneDNN's time too, and the row has "onednn": the sums over all of these.
void add_layers(const CorePeaks& peaks, Network& network, int rounds, bool onednn, nlohmann::json& row);

void print_layers(const nlohmann::json& row);

// One line: the sums.
void print_onednn(const nlohmann::json& row);

}  // namespace fard::bench
