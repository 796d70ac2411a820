// Vivado's hardware hand-off (.hwh): which blocks the processor reaches in a design, at which addresses, and the clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace fard::finn {

struct Block {
    std::string name;      // of the instance: "idma0", "StreamingDataflowPartition_1"
    std::string type;      // "xilinx.com:hls:IODMA_hls_0:1.0", "" where the file does not say
    std::uint64_t base = 0;
    std::uint64_t bytes = 0;  // of its range of addresses
};

struct Handoff {
    std::string part;        // "7z020clg400", as a bitstream's header has it
    std::string arch;        // "zynq", "zynquplus"
    std::string vivado;      // version
    std::string timestamp;
    double clock_mhz = 0;    // of the first clock that the processor gives the fabric, 0 where it does not say
    std::vector<Block> blocks;  // with registers, in the order of their addresses

    const Block* find(std::string_view name) const;
};

// Hostile files are bounded: no document type, no entity of its own, no more than 64 MiB and the depth that libxml2 allows.
// Errors: corrupt (no XML, cut short), invalid_input (no hand-off; blocks whose addresses overlap).
Result<Handoff> read_handoff(std::string_view xml, const std::string& where);

}  // namespace fard::finn
