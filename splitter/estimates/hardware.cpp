#include "splitter/estimates/hardware.hpp"

#include <algorithm>
#include <bit>

#include "splitter/finn/memory.hpp"

namespace fard::splitter {
namespace {

using model::FinnKind;

finn::Version version_of(model::FinnFlow flow) {
    switch (flow) {
        case model::FinnFlow::early: return finn::Version::early;
        case model::FinnFlow::main: return finn::Version::main;
        case model::FinnFlow::dev: return finn::Version::dev;
    }
    return finn::Version::main;
}

finn::Extent extent(const model::Extent2& e) { return {e.height, e.width}; }

finn::Language language(const model::FinnUnit& unit, const UnitFolding& folding) {
    return folding.rtl.value_or(unit.rtl) ? finn::Language::rtl : finn::Language::hls;
}

finn::Multipliers multipliers(const model::FinnUnit& unit, const UnitFolding& folding) {
    return {.language = language(unit, folding),
            .pe = folding.pe,
            .simd = folding.simd,
            .weights = unit.narrowest_weights,
            .inputs = unit.inputs,
            .outputs = unit.outputs,
            .accumulator_bits = unit.accumulator_bits,
            .activation = unit.steps > 0,
            .memory = folding.memory,
            .ram = folding.ram,
            .threshold_ram = folding.threshold_ram,
            .on_dsp = folding.on_dsp};
}

finn::WindowUnit window(const model::FinnUnit& unit, const model::Layer& layer, const UnitFolding& folding) {
    return {.language = language(unit, folding),
            .channels = unit.channels,
            .simd = folding.simd,
            .kernel = extent(layer.window.kernel),
            .stride = extent(layer.window.strides),
            .dilation = extent(layer.window.dilations),
            .input = extent(unit.input),
            .output = extent(unit.output),
            .type = unit.inputs,
            .depthwise = unit.depthwise,
            .one_dimensional = (unit.input.height == 1) != (unit.input.width == 1),
            .parallel_window = folding.parallel_window,
            .ram = folding.ram};
}

// Constants of the mended mode that no formula of FINN gives. Fitted to the table of the FARD paper (CnvW2A2 on PYNQ-Z1,
// first board at six cuts): flip-flops grow by 1.53 for each LUT, and about 5,000 LUTs are there before the first layer.
constexpr double ff_per_lut = 1.5;
constexpr Resources overhead{{5000, 7500, 4, 0, 0}};
constexpr std::int64_t lut_of_control = 200;  // of a unit that FINN has no model for
constexpr std::int64_t lut_per_pe = 20;       // RTL matrix units: what is beside the DSP slices, for each accumulator

// The RTL units' logic around the DSP slices: the inputs that are read once for each fold of the rows lie in LUTRAM.
std::int64_t rtl_lut(std::int64_t pe, std::int64_t simd, std::int64_t bits, std::int64_t words) {
    return lut_of_control + lut_per_pe * pe + simd * bits * finn::divide_up(std::max<std::int64_t>(1, words), 64);
}

// Weights in LUTRAM, which FINN counts for its HLS units alone.
std::int64_t weights_in_lut(const model::FinnUnit& unit, const UnitFolding& folding, std::int64_t weights) {
    const auto at_once = folding.pe * folding.simd, words = finn::divide_up(weights, at_once);
    const bool distributed = folding.memory == finn::MemoryMode::decoupled && folding.ram == finn::RamStyle::distributed;
    const bool small = folding.memory == finn::MemoryMode::embedded && words <= 128;
    return distributed || small ? at_once * unit.narrowest_weights.bits() * finn::divide_up(words, 64) : 0;
}

// What FINN's RTL thresholds take where what goes to BRAM is not lost.
std::int64_t threshold_bram(const model::FinnUnit& unit, const UnitFolding& folding) {
    std::int64_t bram = 0;
    const auto words = unit.channels / folding.pe;
    for (int bit = 0; bit < unit.outputs.bits(); ++bit) {
        const auto depth = words << bit;
        finn::Allowed allowed;
        if (folding.bram_from != 0 || folding.uram_from != 0) {
            allowed.uram = depth >= folding.uram_from;
            allowed.bram18 = !allowed.uram && depth >= folding.bram_from;
            allowed.lutram = !allowed.uram && !allowed.bram18;
        }
        const auto pick = finn::least_waste(unit.inputs.bits(), depth, allowed);
        if (pick.primitive == finn::Primitive::bram18) bram += pick.count * folding.pe;
    }
    return bram;
}

void mend(const model::FinnUnit& unit, const UnitFolding& folding, finn::Estimate& estimate, std::int64_t columns) {
    const auto streams = streams_of(unit, folding);
    const bool rtl = folding.rtl.value_or(unit.rtl);
    switch (unit.kind) {
        case FinnKind::mvau:
            if (rtl)
                estimate.lut = rtl_lut(folding.pe, folding.simd, unit.inputs.bits(), columns / folding.simd) +
                               weights_in_lut(unit, folding, unit.mw * unit.mh);
            break;
        case FinnKind::vvau:
            if (rtl)
                estimate.lut = rtl_lut(folding.pe, folding.simd * folding.pe, unit.inputs.bits(), 1) +
                               weights_in_lut(unit, folding, unit.channels * unit.kernel.height * unit.kernel.width);
            break;
        case FinnKind::thresholding:
            if (rtl) {
                estimate.bram18 += threshold_bram(unit, folding);
                estimate.lut += folding.pe * unit.inputs.bits() * unit.outputs.bits();  // a comparator for each bit
            }
            estimate.lut += lut_of_control / 2;
            break;
        default:
            if (estimate.lut == 0) estimate.lut = lut_of_control + 2 * (streams.in + streams.out);
    }
    // A FIFO behind every unit, deep enough for what streams past a stall, in LUTRAM.
    estimate.lut += 2 * 5 + finn::divide_up(streams.out, 2);
}

}  // namespace

finn::Unit hardware_unit(const model::FinnUnit& unit, const model::Layer& layer, const UnitFolding& folding,
                         model::FinnFlow flow) {
    switch (unit.kind) {
        case FinnKind::mvau: return finn::MatrixUnit{multipliers(unit, folding), unit.mw, unit.mh, unit.vectors};
        case FinnKind::vvau:
            return finn::DepthwiseUnit{multipliers(unit, folding), unit.channels, extent(layer.window.kernel), extent(unit.output)};
        case FinnKind::window: {
            auto made = window(unit, layer, folding);
            if (flow == model::FinnFlow::early) made.language = finn::Language::hls;
            return made;
        }
        case FinnKind::padding: return finn::PaddingUnit{unit.channels, folding.simd, extent(unit.output)};
        case FinnKind::thresholding:
        case FinnKind::channelwise:
            return finn::ThresholdUnit{.language = unit.kind == FinnKind::channelwise ? finn::Language::hls : language(unit, folding),
                                       .channels = unit.channels,
                                       .pe = folding.pe,
                                       .vectors = unit.vectors,
                                       .inputs = unit.inputs,
                                       .outputs = unit.outputs,
                                       .thresholds = unit.inputs,
                                       .ram = folding.ram,
                                       .bram_from = folding.bram_from,
                                       .uram_from = folding.uram_from};
        case FinnKind::max_pool:
            return finn::MaxPoolUnit{unit.channels, folding.pe, extent(unit.input), extent(layer.window.kernel)};
        case FinnKind::pool:
            return finn::PoolUnit{unit.channels, folding.pe, extent(layer.window.kernel), extent(unit.output)};
        case FinnKind::global_pool:
            return finn::GlobalPoolUnit{unit.channels, folding.pe, unit.input.height * unit.input.width};
        case FinnKind::label_select: return finn::StreamUnit{unit.channels, folding.pe, 1};
        case FinnKind::add_streams:
        case FinnKind::duplicate_streams:
        case FinnKind::concat: break;
    }
    return finn::StreamUnit{unit.channels, folding.pe, unit.vectors};
}

UnitCost unit_cost(const model::FinnUnit& unit, const model::Layer& layer, const UnitFolding& folding, model::FinnFlow flow,
                   Estimates mode) {
    auto as_built = folding;
    // Thresholds that a matrix unit has are in LUTRAM, which FINN's main counts only where it is said.
    if (mode == Estimates::mended && unit.steps > 0) as_built.threshold_ram = finn::RamStyle::distributed;
    auto estimate = finn::estimate(hardware_unit(unit, layer, as_built, flow), version_of(flow));
    if (mode == Estimates::mended) mend(unit, as_built, estimate, unit.mw);
    UnitCost cost{{{estimate.lut, 0, estimate.bram18, estimate.uram, estimate.dsp}}, std::max<std::int64_t>(1, estimate.cycles)};
    if (mode == Estimates::mended) cost.need.of[1] = static_cast<std::int64_t>(ff_per_lut * static_cast<double>(estimate.lut));
    return cost;
}

Foldable foldable(const model::FinnUnit& unit, const model::Layer& layer) {
    switch (unit.kind) {
        case FinnKind::mvau: return {unit.mh, unit.mw};
        case FinnKind::vvau: return {unit.channels, layer.window.kernel.height * layer.window.kernel.width};
        case FinnKind::window:
        case FinnKind::padding: return {1, unit.channels};
        case FinnKind::max_pool: return {unit.input.height == 1 || unit.input.width == 1 ? unit.channels : 1, 1};
        default: return {unit.channels, 1};
    }
}

Streams streams_of(const model::FinnUnit& unit, const UnitFolding& folding) {
    const auto in = static_cast<std::int64_t>(unit.inputs.bits()), out = static_cast<std::int64_t>(unit.outputs.bits());
    switch (unit.kind) {
        case FinnKind::mvau: return {in * folding.simd, out * folding.pe};
        case FinnKind::window: {
            const auto at_once = folding.parallel_window ? unit.kernel.height * unit.kernel.width : 1;
            return {in * folding.simd, out * folding.simd * at_once};
        }
        case FinnKind::padding: return {in * folding.simd, out * folding.simd};
        case FinnKind::max_pool: return {in * unit.channels, out * unit.channels};
        default: return {in * folding.pe, out * folding.pe};
    }
}

Resources stage_overhead(Estimates mode) { return mode == Estimates::mended ? overhead : Resources{}; }

}  // namespace fard::splitter
