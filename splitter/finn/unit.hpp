// The hardware units that FINN builds a network from, with the settings that its estimates read. One struct for each kind;
// what is counted in elements, vectors or bits says so. Nothing here knows a network: a unit is one layer after folding.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/data_type.hpp"

namespace fard::finn {

using Extent = std::array<std::int64_t, 2>;  // rows, columns

// How a unit is written, which decides what is known of it: FINN has no LUT model for its RTL matrix units.
enum class Language { hls, rtl };

enum class MemoryMode {
    embedded,
    decoupled,
    external
};  // where weights lie: in the unit, beside it, in DRAM
enum class RamStyle { automatic, block, distributed, ultra };
enum class DspBlock { dsp48, dsp58 };

// What MVAU and VVAU have in common.
struct Multipliers {
    Language language = Language::hls;
    std::int64_t pe = 1;
    std::int64_t simd = 1;
    DataType weights, inputs, outputs;
    int accumulator_bits = 32;  // as the unit is built
    bool activation = false;    // thresholds are part of it
    MemoryMode memory = MemoryMode::decoupled;
    RamStyle ram = RamStyle::automatic;
    RamStyle threshold_ram = RamStyle::automatic;
    bool on_dsp = false;  // HLS: multiplies on DSP slices instead of LUTs
    DspBlock dsp = DspBlock::dsp48;
};

struct MatrixUnit {  // MVAU: a matrix of `rows` x `columns` times vectors
    Multipliers multipliers;
    std::int64_t columns = 1;  // MW: inputs of one output
    std::int64_t rows = 1;     // MH: outputs
    std::int64_t vectors = 1;  // of one image
};

struct DepthwiseUnit {  // VVAU: each channel with its own kernel
    Multipliers multipliers;
    std::int64_t channels = 1;
    Extent kernel{1, 1};
    Extent outputs{1, 1};  // pixels
};

struct WindowUnit {  // ConvolutionInputGenerator: pixels to windows
    Language language = Language::rtl;
    std::int64_t channels = 1;
    std::int64_t simd = 1;
    Extent kernel{1, 1}, stride{1, 1}, dilation{1, 1};
    Extent input{1, 1}, output{1, 1};  // pixels
    DataType type;
    bool depthwise = false;
    bool one_dimensional = false;
    bool parallel_window = false;  // RTL: a whole window each cycle
    RamStyle ram = RamStyle::automatic;
};

struct ThresholdUnit {  // Thresholding and ChannelwiseOp
    Language language = Language::rtl;
    std::int64_t channels = 1;
    std::int64_t pe = 1;
    std::int64_t vectors = 1;
    DataType inputs, outputs, thresholds;
    RamStyle ram = RamStyle::automatic;  // HLS
    // RTL: from which depth on BRAM and URAM are taken. Both 0: whatever wastes the least.
    std::int64_t bram_from = 0, uram_from = 0;
};

struct FifoUnit {
    std::int64_t width = 1;  // bits
    std::int64_t depth = 2;  // words
    bool vivado = false;     // the vendor's FIFO instead of FINN's own
    RamStyle ram = RamStyle::automatic;
};

struct WidthUnit {                  // StreamingDataWidthConverter
    std::int64_t from = 1, to = 1;  // bits
};

struct PaddingUnit {
    std::int64_t channels = 1;
    std::int64_t simd = 1;
    Extent padded{1, 1};  // pixels with the border
};

struct MaxPoolUnit {  // StreamingMaxPool
    std::int64_t channels = 1;
    std::int64_t pe = 1;
    Extent input{1, 1}, pool{1, 1};
};

struct PoolUnit {  // Pool behind a sliding window
    std::int64_t channels = 1;
    std::int64_t pe = 1;
    Extent kernel{1, 1}, output{1, 1};
};

struct GlobalPoolUnit {  // GlobalAccPool
    std::int64_t channels = 1;
    std::int64_t pe = 1;
    std::int64_t pixels = 1;
};

struct StreamUnit {  // what only passes on: AddStreams, DuplicateStreams, LabelSelect, elementwise operators
    std::int64_t elements = 1;  // of one vector
    std::int64_t pe = 1;
    std::int64_t vectors = 1;
    bool foldable = true;  // by FINN's own pass
};

using Unit = std::variant<MatrixUnit, DepthwiseUnit, WindowUnit, ThresholdUnit, FifoUnit, WidthUnit,
                          PaddingUnit, MaxPoolUnit, PoolUnit, GlobalPoolUnit, StreamUnit>;

}  // namespace fard::finn
