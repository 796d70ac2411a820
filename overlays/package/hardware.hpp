// A stage as hardware: how it is built for one FPGA part, what that takes and how fast it is. A part of the manifest.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace fard {

// One tensor as FINN's driver has it. Extents as in `normal` of one chunk; the first is 1, and stands for the batch.
struct HardwareTensor {
    std::vector<std::int64_t> normal;  // elements
    std::vector<std::int64_t> folded;  // the same elements as the stream has them: the last extent is one word's
    std::vector<std::int64_t> packed;  // bytes: folded, the last extent the bytes of one word
    std::string type;                  // of the elements; "": as on the wire
    std::string dma;                   // the register block of the DMA that moves it
    friend bool operator==(const HardwareTensor&, const HardwareTensor&) = default;
};

// Registers of one accelerator or DMA, as the processor sees them.
struct RegisterBlock {
    std::string name;  // "idma0", "StreamingDataflowPartition_1"
    std::string kind;  // of the core behind it: "xilinx.com:hls:IODMA_hls_0:1.0", "" when unknown
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
    friend bool operator==(const RegisterBlock&, const RegisterBlock&) = default;
};

// Weights that are written after programming.
struct RuntimeWeights {
    std::string file;   // of the package
    std::string block;  // a DMA that reads them from memory, or a core whose registers take them
    std::int64_t repeats = 1;  // how often a DMA reads them for each chunk
    friend bool operator==(const RuntimeWeights&, const RuntimeWeights&) = default;
};

using FoldingValue = std::variant<std::int64_t, std::string>;         // PE = 4, ram_style = "block"
using UnitFoldings = std::map<std::string, std::map<std::string, FoldingValue>>;  // by unit, "MVAU_hls_0"

// Zeros and empty lists are what is not known.
struct Hardware {
    std::string part;         // FPGA part, "" for one that is only planned for no part in particular
    std::string bitstream;    // its file, "" where there is none: the figures are a plan's
    bool partial = false;     // the bitstream is for a region of the fabric
    std::string device_tree;  // the file of its compiled device-tree overlay
    std::string figures;      // where the figures below come from: "mended estimates", "post-synthesis"
    double clock_mhz = 0;
    std::int64_t latency_cycles = 0;   // from a chunk's first byte in to its last byte out, in an idle stage
    std::int64_t interval_cycles = 0;  // between two chunks of a full one
    double watts = 0;
    std::map<std::string, std::int64_t> resources;  // lut, ff, bram18, uram, dsp
    UnitFoldings folding;
    std::vector<RegisterBlock> registers;
    std::vector<HardwareTensor> inputs, outputs;  // one for each tensor of the manifest, in its order; or none
    std::vector<RuntimeWeights> weights;
    friend bool operator==(const Hardware&, const Hardware&) = default;
};

// Whether two names mean the same die in the same package ("xc7z020clg400-1", "7z020clg400"); one that says no package
// means any. Names that are none of Xilinx's must be equal.
bool same_part(const std::string& a, const std::string& b);

}  // namespace fard
