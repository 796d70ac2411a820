// ConvolutionInputGenerator, in RTL and in HLS.
#include <algorithm>

#include "splitter/finn/estimate.hpp"
#include "splitter/finn/memory.hpp"

namespace fard::finn {
namespace {

std::int64_t area(const Extent& extent) {
    return extent[0] * extent[1];
}

bool in_bram(RamStyle style) {
    return style == RamStyle::block || style == RamStyle::automatic;
}

// BRAM18s of one line buffer: columns of memories of 16,384 words, the last of which may be shallower and so wider.
std::int64_t cascaded(std::int64_t width, std::int64_t depth) {
    const auto wide = divide_up(width, bram18_width(depth));
    const auto whole = depth / 16384, rest = depth % 16384;
    if (whole == 0 || rest == 0) return divide_up(depth, 16384) * wide;
    return whole * wide + divide_up(width, bram18_width(rest));
}

// RTL: buffers, how deep each is, and cycles.
struct Buffers {
    std::int64_t count = 1;
    std::int64_t depth = 0;         // words, of a block memory
    std::int64_t lutram_depth = 0;  // words in all
    std::int64_t cycles = 0;
};

// A whole window each cycle: a line buffer between each two rows of the kernel, registers within a row.
Buffers parallel(const WindowUnit& unit, std::int64_t fold) {
    const auto [kernel_h, kernel_w] = unit.kernel;
    const auto [dilation_h, dilation_w] = unit.dilation;
    const auto columns = unit.input[1];
    Buffers buffers;
    buffers.cycles = area(unit.input) * fold + 2;
    buffers.lutram_depth = ((kernel_h - 1) * dilation_h * columns + (kernel_w - 1) * dilation_w) * fold + 2;
    buffers.depth = columns - ((kernel_w - 1) * dilation_w + 1) + columns * (dilation_h - 1);
    const bool one_line = unit.input[0] == 1 || unit.input[1] == 1;
    buffers.count = one_line ? 0 : kernel_h - 1;
    return buffers;
}

// One element each cycle, out of one circular buffer.
Buffers addressable(const WindowUnit& unit, std::int64_t fold) {
    const auto window = area(unit.kernel);
    const auto [stride_h, stride_w] = unit.stride;
    const auto columns = unit.input[1];
    const auto first_window =
        ((unit.kernel[0] - 1) * unit.dilation[0] * columns + (unit.kernel[1] - 1) * unit.dilation[1] + 1) *
        fold;
    Buffers buffers;
    buffers.depth = first_window + std::max<std::int64_t>(0, (stride_w - 1 - window) * fold) +
                    std::max<std::int64_t>(0, ((stride_h - 1) * columns - window) * fold);
    buffers.lutram_depth = buffers.depth;
    if (unit.one_dimensional) {
        buffers.cycles = area(unit.output) * window * fold + 2;
        const auto stride = std::max(stride_h, stride_w);
        if (unit.depthwise) buffers.cycles += fold * (window - 1) * (stride - 1) - (window - 1);
        return buffers;
    }
    buffers.cycles =
        first_window + unit.output[0] * std::max(unit.output[1] * window * fold, stride_w * columns * fold);
    if (unit.depthwise)
        buffers.cycles += area(unit.output) * (stride_w - 1) * (fold - 1) + (stride_h - 1) * columns * fold;
    return buffers;
}

Estimate rtl(const WindowUnit& unit, std::int64_t fold, std::int64_t width) {
    const bool whole_window = unit.parallel_window || area(unit.kernel) == 1;
    const auto buffers = whole_window ? parallel(unit, fold) : addressable(unit, fold);
    Estimate result{.lut = 300, .cycles = buffers.cycles};
    if (unit.ram == RamStyle::distributed) result.lut += width * divide_up(buffers.lutram_depth, 38);
    if (buffers.count == 0 || buffers.depth < 1) return result;
    if (in_bram(unit.ram)) result.bram18 = buffers.count * cascaded(width, buffers.depth);
    if (unit.ram == RamStyle::ultra) result.uram = buffers.count * uram_of(width, buffers.depth);
    return result;
}

// HLS: a buffer for each row of the kernel and each one that a stride adds.
Estimate hls_rows(const WindowUnit& unit, std::int64_t fold, std::int64_t width) {
    const auto columns = unit.input[1];
    const auto count = unit.kernel[0] + unit.stride[0], depth = columns * fold;
    Estimate result{.lut = 300};
    result.cycles =
        columns * unit.kernel[0] * unit.dilation[0] * fold +
        unit.output[0] * std::max(unit.output[1] * area(unit.kernel) * fold, unit.stride[1] * columns * fold);
    if (in_bram(unit.ram))
        result.bram18 = count * divide_up(width, bram18_width(depth)) * divide_up(depth, 16384);
    if (unit.ram == RamStyle::ultra) result.uram = count * divide_up(width, 64) * divide_up(depth, 4096);
    if (unit.ram == RamStyle::distributed) result.lut += count * width * divide_up(depth, 64);
    return result;
}

Estimate hls_line(const WindowUnit& unit, std::int64_t fold, std::int64_t width) {
    const auto window = area(unit.kernel), input = area(unit.input) * fold;
    const auto read = area(unit.output) * window * fold;
    Estimate result{.lut = 300};
    std::int64_t depth = 0;
    if (!unit.depthwise) {
        depth = (window - 1) * fold;
        result.cycles = read + 1;
    } else if (unit.dilation[0] > 1 || unit.dilation[1] > 1) {
        depth = input;
        result.cycles = input + read;
    } else {
        depth = window * fold;
        result.cycles = read + (window - 1) * (fold - 1) + 1;
    }
    if (depth == 0) return result;
    if (in_bram(unit.ram)) result.bram18 = divide_up(width, bram18_width(depth)) * divide_up(depth, 16384);
    if (unit.ram == RamStyle::ultra) result.uram = divide_up(width, 64) * divide_up(depth, 4096);
    if (unit.ram == RamStyle::distributed) result.lut += divide_up(width * depth, 64);
    return result;
}

// What the early reports print: LUTRAM whatever the style.
Estimate early_rows(WindowUnit unit, std::int64_t fold, std::int64_t width) {
    unit.ram = RamStyle::distributed;
    return hls_rows(unit, fold, width);
}

}  // namespace

Estimate estimate(const WindowUnit& unit, Version version) {
    const auto fold = unit.channels / unit.simd, width = unit.simd * unit.type.bits();
    if (unit.language == Language::rtl) return rtl(unit, fold, width);
    if (unit.one_dimensional) return hls_line(unit, fold, width);
    return version == Version::early ? early_rows(unit, fold, width) : hls_rows(unit, fold, width);
}

}  // namespace fard::finn
