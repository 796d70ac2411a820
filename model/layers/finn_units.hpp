// The hardware units that FINN makes of a layer view, in its order and under its names. Facts of FINN's flow; nothing here
// is folded or estimated.
#pragma once

#include "model/layers/layers.hpp"

namespace fard::model {

enum class FinnKind : std::uint8_t {
    mvau,     // matrix
    vvau,     // depthwise
    window,   // ConvolutionInputGenerator
    padding,  // FMPadding
    thresholding,
    max_pool,     // StreamingMaxPool
    pool,         // Pool, behind a window of its own
    global_pool,  // GlobalAccPool
    channelwise,  // ChannelwiseOp; an elementwise operator on dev
    add_streams,
    duplicate_streams,
    concat,
    label_select,
};

// Whose flow: `early` is that of the published reports (before 2022), the others those of spring 2026.
enum class FinnFlow : std::uint8_t { early, main, dev };

struct FinnSettings {
    FinnFlow flow = FinnFlow::main;
    bool separate_thresholds = false;  // never part of a matrix unit
    bool dsp48e1 = false;              // a board of the 7 series
    // The steps that networks with depthwise convolutions need. Without them (FINN main's default steps) such layers and
    // channelwise ones stay outside.
    bool depthwise_steps = true;
};

struct FinnUnit {
    FinnKind kind = FinnKind::mvau;
    bool rtl = false;            // FINN's own choice of language; always false for early
    int number = 0;              // among units of its kind
    int number_in_language = 0;  // among those of its kind and language: the number in its name
    std::size_t layer = 0;

    DataType inputs, outputs;
    std::int64_t channels = 1;  // of what it reads
    Extent2 input, output;      // pixels of what it reads and makes; a padding unit's output has the border
    std::int64_t vectors = 1;   // of what it makes

    std::int64_t mw = 0, mh = 0;          // mvau
    DataType weights, narrowest_weights;  // mvau, vvau
    int accumulator_bits = 0;             // mvau, vvau
    int widest_accumulator_bits = 0;  // of any weights of their type: where they can be written at run time
    std::int64_t steps = 0;           // thresholds for each channel; 0: none
    Extent2 kernel, strides, dilations;  // window, vvau, pools
    bool depthwise = false;              // window: one that feeds a vvau or a pool
};

struct FinnNetwork {
    std::vector<FinnUnit> units;
    std::vector<std::size_t> outside;  // layers that FINN does not make units of, nor takes into others
};

FinnNetwork finn_units(const LayerView& view, const FinnSettings& settings = {});

// "MVAU_hls_3", or "StreamingFCLayer_Batch_3" of early: what reports and folding files call it.
std::string name_of(const FinnUnit& unit, FinnFlow flow);

// Why FINN makes such a matrix unit, which is in HLS by its own choice, in no other way.
std::string why_no_rtl(const FinnUnit& unit);

// A name of a report or a folding file of any flow; its language, if it says one, is dropped.
struct FinnKey {
    FinnKind kind;
    int number;
    friend bool operator==(const FinnKey&, const FinnKey&) = default;
};
std::optional<FinnKey> read_finn_name(std::string_view name);

}  // namespace fard::model
