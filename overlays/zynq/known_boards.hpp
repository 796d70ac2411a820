// Boards that a device tree names, and the part that each has.
#pragma once

#include <string>

#include "overlays/zynq/host.hpp"

namespace fard::zynq {

struct FoundBoard {
    std::string part;   // "": the device tree names no board that fard knows
    std::string names;  // what it is compatible with, for people
};
FoundBoard find_board(Host& host, const Roots& roots);

}  // namespace fard::zynq
