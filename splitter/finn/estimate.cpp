#include "splitter/finn/estimate.hpp"

#include <bit>
#include <cmath>
#include <numeric>

#include "splitter/finn/memory.hpp"

namespace fard::finn {
namespace {

Estimate rtl_thresholds(const ThresholdUnit& unit, std::int64_t words) {
    Estimate result;
    for (int bit = 0; bit < unit.outputs.bits(); ++bit) {
        const auto depth = words << bit;
        Allowed allowed;
        if (unit.bram_from != 0 || unit.uram_from != 0) {
            allowed.uram = depth >= unit.uram_from;
            allowed.bram18 = !allowed.uram && depth >= unit.bram_from;
            allowed.lutram = !allowed.uram && !allowed.bram18;
        }
        const auto pick = least_waste(unit.thresholds.bits(), depth, allowed);
        // What goes to BRAM is lost: FINN looks for it under a name that its table does not have.
        if (pick.primitive == Primitive::uram) result.uram += pick.count * unit.pe;
        if (pick.primitive == Primitive::lutram) result.lut += pick.count * unit.pe;
    }
    return result;
}

Estimate hls_thresholds(const ThresholdUnit& unit, std::int64_t words) {
    const auto width = unit.inputs.bits() * unit.pe;
    Estimate result{.lut = width};
    if (words <= 1) return result;
    if (unit.ram == RamStyle::block) result.bram18 = divide_up(width, 16) * divide_up(words, 1024);
    if (unit.ram == RamStyle::distributed) result.lut += width * divide_up(words, 64);
    return result;
}

std::int64_t log2_up(std::int64_t value) {
    return std::bit_width(static_cast<std::uint64_t>(value - 1));
}

// 2-D: every pixel in, and one word for each pool; 1-D: the pool's pixels and one more.
std::int64_t max_pool_cycles(const MaxPoolUnit& unit) {
    const auto [rows, columns] = unit.input;
    if (rows == 1 || columns == 1) {
        const auto pool = unit.pool[0] * unit.pool[1];
        return rows * columns / pool * (unit.channels / unit.pe) * (pool + 1);
    }
    return rows * columns + rows * columns / (unit.pool[0] * unit.pool[1]);
}

}  // namespace

Estimate estimate(const ThresholdUnit& unit) {
    const auto words = unit.channels / unit.pe;
    auto result = unit.language == Language::rtl ? rtl_thresholds(unit, words) : hls_thresholds(unit, words);
    result.cycles = words * unit.vectors;
    return result;
}

Estimate estimate(const FifoUnit& unit, Version version) {
    const auto depth = unit.vivado
                           ? static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(unit.depth)))
                           : unit.depth;
    Estimate result{.lut = 2 * log2_up(depth)};
    if (version == Version::dev) {  // compares a flag with two names, so it takes every FIFO for both
        result.bram18 = bram18_of(unit.width, depth);
        result.uram = uram_of(unit.width, depth);
        return result;
    }
    if (unit.vivado && unit.ram == RamStyle::block) result.bram18 = bram18_of(unit.width, depth);
    if (unit.vivado && unit.ram == RamStyle::ultra) result.uram = uram_of(unit.width, depth);
    if (!unit.vivado || unit.ram == RamStyle::distributed)
        result.lut += divide_up(depth, 32) * divide_up(unit.width, 2);
    return result;
}

// Up to the least common multiple and down again, by shift registers.
Estimate estimate(const WidthUnit& unit) {
    const auto common = std::lcm(unit.from, unit.to);
    Estimate result;
    if (common != unit.from)
        result.lut +=
            static_cast<std::int64_t>(std::floor(std::log2(static_cast<double>(common / unit.from)))) +
            common;
    if (common != unit.to) result.lut += log2_up(common / unit.to) + unit.to;
    return result;
}

Estimate estimate(const Unit& unit, Version version) {
    struct {
        Version version;
        Estimate operator()(const MatrixUnit& u) const { return estimate(u, version); }
        Estimate operator()(const DepthwiseUnit& u) const { return estimate(u, version); }
        Estimate operator()(const WindowUnit& u) const { return estimate(u, version); }
        Estimate operator()(const ThresholdUnit& u) const { return estimate(u); }
        Estimate operator()(const FifoUnit& u) const { return estimate(u, version); }
        Estimate operator()(const WidthUnit& u) const { return estimate(u); }
        Estimate operator()(const PaddingUnit& u) const {
            return {.cycles = u.channels / u.simd * u.padded[0] * u.padded[1]};
        }
        Estimate operator()(const MaxPoolUnit& u) const { return {.cycles = max_pool_cycles(u)}; }
        Estimate operator()(const PoolUnit& u) const {
            return {.cycles = u.channels * u.kernel[0] * u.kernel[1] / u.pe * u.output[0] * u.output[1]};
        }
        Estimate operator()(const GlobalPoolUnit& u) const {
            return {.cycles = (u.pixels + 1) * (u.channels / u.pe)};
        }
        Estimate operator()(const StreamUnit& u) const { return {.cycles = u.elements / u.pe * u.vectors}; }
    } of{version};
    return std::visit(of, unit);
}

}  // namespace fard::finn
