// MVAU and VVAU.
#include <algorithm>
#include <cmath>

#include "splitter/finn/estimate.hpp"
#include "splitter/finn/memory.hpp"

namespace fard::finn {
namespace {

// How deep the memories of one unit are, in words.
struct Depths {
    std::int64_t weights = 1;
    std::int64_t thresholds = 0;  // none: no activation
};

bool weights_in_lutram(const Multipliers& unit, const Depths& depths) {
    if (unit.memory == MemoryMode::embedded) return depths.weights <= 128;
    return unit.memory == MemoryMode::decoupled && unit.ram == RamStyle::distributed;
}

std::int64_t weight_width(const Multipliers& unit) {
    return unit.simd * unit.weights.bits() * unit.pe;
}

std::int64_t weight_bram(const Multipliers& unit, const Depths& depths, Parity parity) {
    const bool elsewhere = unit.memory == MemoryMode::decoupled && unit.ram == RamStyle::ultra;
    if (elsewhere || weights_in_lutram(unit, depths) || unit.memory == MemoryMode::external) return 0;
    return bram18_of(weight_width(unit), depths.weights, parity);
}

// Bits that the sum of `terms` products can have, by their types; never more than the unit is built with. The early one
// takes every input for unsigned and knows no built width.
std::int64_t accumulator_bits(const Multipliers& unit, std::int64_t terms, Version version) {
    const double products =
        std::log2(static_cast<double>(terms)) + unit.weights.bits() + unit.inputs.bits() - 1;
    if (version == Version::early) return static_cast<std::int64_t>(std::ceil(products + 1));
    const bool is_signed = unit.inputs.kind() != DataType::Kind::uint;
    const double alpha = products - (is_signed ? 1 : 0);
    const double bits = std::ceil(alpha + std::log2(1 + std::pow(2, -alpha)) + 1);
    return std::min<std::int64_t>(unit.accumulator_bits, static_cast<std::int64_t>(bits));
}

// The LUTs of an HLS unit. `threshold_words`: how many LUTRAM words deep the thresholds of one comparator are, as the
// formula of its kind has it (a fraction in VVAU's).
std::int64_t hls_luts(const Multipliers& unit, const Depths& depths, std::int64_t terms, Version version,
                      bool adder_tree, bool thresholds_counted, double threshold_words) {
    const std::int64_t both = unit.weights.bits() + unit.inputs.bits();
    const std::int64_t multipliers = unit.on_dsp ? 0 : unit.simd * (2 * divide_up(both, 6) - 1) * both;
    const std::int64_t tree = adder_tree ? both * (2 * unit.simd - 1) : 0;
    const auto accumulator = accumulator_bits(unit, terms, version);
    double thresholds = 0, comparators = 0;
    if (unit.activation && thresholds_counted) {
        const double levels = std::pow(2, unit.outputs.bits()) - 1;
        thresholds = levels * static_cast<double>(accumulator) * threshold_words;
        comparators = levels * static_cast<double>(accumulator);
    }
    const auto memory =
        weights_in_lutram(unit, depths) ? weight_width(unit) * divide_up(depths.weights, 64) : 0;
    const double work = static_cast<double>(multipliers + tree + accumulator) + thresholds + comparators;
    return static_cast<std::int64_t>(300 + 1.1 * static_cast<double>(unit.pe) * work +
                                     static_cast<double>(memory));
}

}  // namespace

Estimate estimate(const MatrixUnit& unit, Version version) {
    const auto& m = unit.multipliers;
    const Depths depths{unit.columns * unit.rows / (m.pe * m.simd), m.activation ? unit.rows / m.pe : 0};
    Estimate result;
    result.cycles = unit.rows / m.pe * (unit.columns / m.simd) * unit.vectors;
    result.bram18 = weight_bram(m, depths, Parity::used);
    const bool in_uram =
        (m.memory == MemoryMode::decoupled && m.ram == RamStyle::ultra) ||
        (m.memory == MemoryMode::embedded && depths.weights > 128 && version != Version::early);
    if (in_uram) result.uram = uram_of(weight_width(m), depths.weights);
    if (m.language == Language::rtl) {
        result.dsp = m.dsp == DspBlock::dsp58 ? m.pe * divide_up(m.simd, 3) : divide_up(m.pe, 4) * m.simd;
        return result;
    }
    const bool counted = version == Version::early || m.threshold_ram == RamStyle::distributed;
    result.lut = hls_luts(m, depths, unit.columns, version, true, counted,
                          static_cast<double>(divide_up(depths.thresholds, 64)));
    if (m.on_dsp) result.dsp = m.pe * m.simd * divide_up(m.weights.bits() + m.inputs.bits(), 48);
    return result;
}

Estimate estimate(const DepthwiseUnit& unit, Version version) {
    const auto& m = unit.multipliers;
    const auto window = unit.kernel[0] * unit.kernel[1];
    const Depths depths{window * unit.channels / m.pe / m.simd, m.activation ? unit.channels / m.pe : 0};
    Estimate result;
    result.cycles = unit.channels * window / m.pe / m.simd * unit.outputs[0] * unit.outputs[1];
    const bool small = m.ram == RamStyle::automatic && depths.weights <= 128;
    result.bram18 = small ? 0 : weight_bram(m, depths, Parity::unused);
    if (m.memory == MemoryMode::decoupled && m.ram == RamStyle::ultra)
        result.uram = uram_of(weight_width(m), depths.weights);
    if (m.language == Language::rtl) {
        result.dsp = m.pe * divide_up(m.simd, 3);
        return result;
    }
    const bool early = version == Version::early;
    const auto words = early ? static_cast<double>(divide_up(depths.thresholds, 64))
                             : static_cast<double>(depths.thresholds) / 64;
    result.lut = hls_luts(m, depths, window, version, !early, true, words);
    if (m.on_dsp) result.dsp = m.pe * divide_up(m.weights.bits() + m.inputs.bits(), 48);
    return result;
}

}  // namespace fard::finn
