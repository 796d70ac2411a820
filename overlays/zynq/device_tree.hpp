// A compiled device-tree overlay that gives a design's register blocks their UIO devices, and, where the kernel has no
// other way, names the firmware that the region is programmed with.
#pragma once

#include <string>
#include <vector>

#include "overlays/bitstream/part.hpp"
#include "overlays/package/hardware.hpp"

namespace fard::zynq {

struct RegionOverlay {
    std::string region = "/fpga-full";  // path of the fpga-region in the board's device tree
    std::string firmware;               // its name below the firmware directory; "" where the fabric is programmed already
    std::vector<RegisterBlock> blocks;
};

// Regions of Zynq-7000 have addresses and sizes of one cell, those of ZynqMP of two. Errors: failed (no memory),
// invalid_input (an address that a cell does not hold).
Result<std::string> compile_overlay(const RegionOverlay& overlay, bitstream::Family family);

}  // namespace fard::zynq
