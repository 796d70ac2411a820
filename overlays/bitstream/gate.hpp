// What has to hold before a bitstream is programmed: a wrong one can do harm (pins of another package), and a
// damaged one leaves a fabric that stops the bus at the first access to a register.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "overlays/bitstream/bitstream.hpp"
#include "overlays/bitstream/part.hpp"

namespace fard::bitstream {

struct GateRules {
    std::string board_part;                   // the board's, as its profile or its configuration gives it
    std::vector<std::string> accepted_parts;  // others that whoever runs the board allows (`accept_parts`)
    std::string package_part;                 // what the manifest says the bitstream is for, "" for nothing
    std::string sha256;                       // of the file, hex, as the manifest lists it; "" where it was compared already
};

// What the FPGA manager is given.
struct Programmable {
    std::string bin;          // words turned round
    std::uint32_t flags = 0;  // of the manager's file `flags`: 0 full, 4 encrypted by the device's key
    Bitstream facts;
};

// Looks at everything: container, hash, length, die, package, sync word, kind. Errors, each with the file, the fact and
// what to do: corrupt; invalid_input (not for this board, no whole fabric).
Result<Programmable> pass_gate(std::string_view file, const std::string& where, const GateRules& rules);

}  // namespace fard::bitstream
