#include "overlays/soft/weights/byte_weights.hpp"

#include <algorithm>
#include <limits>

namespace fard::soft {
namespace {

using Limits8 = std::numeric_limits<std::int8_t>;
constexpr std::size_t most_planes = 3;

// What brings each channel's weights within 8 bits when it is taken away; empty where they are.
std::optional<std::vector<std::int32_t>> shifts_of(const Weights& weights) {
    std::vector<std::int32_t> shifts;
    if (model::holds({Limits8::min(), Limits8::max()}, weights.range())) return shifts;
    for (std::size_t c = 0; c < weights.channels; ++c) {
        const auto [min, max] = std::ranges::minmax(weights.of(c));
        if (std::int64_t{max} - min > 255) return std::nullopt;
        shifts.push_back(max > Limits8::max() ? max - Limits8::max() : std::min(min - Limits8::min(), 0));
    }
    return shifts;
}

// How many bits of a row sum are its lower part; nothing if the upper one or a factor would leave 16 bits.
std::optional<int> low_bits_for(std::span<const std::int32_t> shifts, std::int64_t largest_row_sum) {
    using Limits16 = std::numeric_limits<std::int16_t>;
    std::int64_t largest = 1;
    for (const std::int64_t shift : shifts)
        largest = std::max(largest, std::abs(shift));
    int bits = 0;
    while (largest << (bits + 1) <= Limits16::max())
        ++bits;
    if (largest > Limits16::max() || largest_row_sum >> bits > Limits16::max()) return std::nullopt;
    return bits;
}

void add_factors(BytePanels& panels, std::span<const std::int32_t> shifts) {
    panels.row_factors.resize(shifts.size() / panels.group_channels * panels.group_panels * byte_panel_width *
                              2);
    for (std::size_t c = 0; c < shifts.size(); ++c) {
        auto* at = panels.row_factors.data() + panels.lane(c) * 2;
        at[0] = static_cast<std::int16_t>(shifts[c]);
        at[1] = static_cast<std::int16_t>(shifts[c] * (1 << panels.low_bits));
    }
}

// The bytes of the panels before `panel` of its group; of all panels of a group for `panel` = group_panels.
std::size_t bytes_before(const BytePanels& panels, std::size_t panel) {
    const auto lanes = std::min(panel * byte_panel_width, vectors_of(panels.group_channels) * vector_width);
    return lanes * panels.row_bytes();
}

}  // namespace

std::size_t BytePanels::lanes(std::size_t panel) const {
    return std::min(byte_panel_width, group_channels - panel * byte_panel_width);
}

const std::int8_t* BytePanels::panel(std::size_t group, std::size_t panel) const {
    return weights.data() + group * bytes_before(*this, group_panels) + bytes_before(*this, panel);
}

const std::int16_t (*BytePanels::factors(std::size_t group, std::size_t panel) const)[2] {
    const auto lane = (group * group_panels + panel) * byte_panel_width;
    return reinterpret_cast<const std::int16_t(*)[2]>(row_factors.data() + lane * 2);
}

std::optional<BytePanels> pack_byte_panels(const Weights& weights, std::size_t runs, bool tails,
                                           std::int32_t largest_code) {
    const auto shifts = shifts_of(weights);
    if (!shifts) return std::nullopt;
    const auto low_bits = low_bits_for(*shifts, static_cast<std::int64_t>(weights.depth) * largest_code);
    if (!shifts->empty() && !low_bits) return std::nullopt;
    const auto run = weights.depth / runs;
    tails = tails && run % 4 == 1 && runs > 1 && runs <= 4;
    BytePanels panels{runs,
                      tails ? run / 4 : (run + 3) / 4,
                      weights.group_channels(),
                      0,
                      {},
                      tails,
                      {},
                      low_bits.value_or(0)};
    panels.group_panels = (panels.group_channels + byte_panel_width - 1) / byte_panel_width;
    panels.weights.resize(weights.groups * bytes_before(panels, panels.group_panels));
    for (std::size_t c = 0; c < weights.channels; ++c) {
        const auto group = c / panels.group_channels, in_group = c % panels.group_channels;
        const auto number = in_group / byte_panel_width, lane = in_group % byte_panel_width;
        const auto width = vectors_of(panels.lanes(number)) * vector_width;
        auto* to = panels.weights.data() + (panels.panel(group, number) - panels.weights.data()) + lane * 4;
        const auto* from = weights.of(c).data();
        const auto shift = shifts->empty() ? 0 : (*shifts)[c];
        for (std::size_t r = 0; r < runs; ++r)
            for (std::size_t k = 0; k < run; k += 4) {
                auto* at = k < panels.run_bytes() ? to + (r * panels.run_groups + k / 4) * width * 4
                                                  : to + runs * panels.run_groups * width * 4 + r;
                for (std::size_t i = 0; i < std::min<std::size_t>(4, run - k); ++i)
                    at[i] = static_cast<std::int8_t>(*from++ - shift);
            }
    }
    if (!shifts->empty()) add_factors(panels, *shifts);
    return panels;
}

namespace {

// How many numbers of 8 bits add up to it.
std::size_t planes_for(std::int32_t weight) {
    const std::int64_t limit = weight < 0 ? Limits8::min() : Limits8::max();
    return weight == 0 ? 1 : static_cast<std::size_t>((weight + limit - (weight < 0 ? -1 : 1)) / limit);
}

std::size_t planes_for(const Weights& weights, std::size_t first, std::size_t count) {
    std::size_t planes = 1;
    for (auto c = first; c < std::min(weights.channels, first + count); ++c)
        for (const auto weight : weights.of(c))
            planes = std::max(planes, planes_for(weight));
    return planes;
}

// `to`: of the first plane.
void put_weight(std::int32_t weight, std::int8_t* to, std::size_t plane_bytes) {
    for (; weight != 0; to += plane_bytes) {
        const auto part = std::clamp<std::int32_t>(weight, Limits8::min(), Limits8::max());
        *to = static_cast<std::int8_t>(part);
        weight -= part;
    }
}

}  // namespace

std::optional<DepthwisePlanes> pack_depthwise3(const Weights& weights, std::size_t columns) {
    DepthwisePlanes packed;
    packed.planes = planes_for(weights, 0, weights.channels);
    if (packed.planes > most_planes) return std::nullopt;
    for (std::size_t begin = 0; begin < weights.channels;) {
        const auto width = depthwise_block(weights.channels - begin), lanes = width / 4;
        const auto at = packed.weights.size(), plane_bytes = width * 12;
        packed.weights.resize(at + packed.planes * plane_bytes);
        if (packed.planes > 1)
            packed.block_planes.push_back(static_cast<std::uint8_t>(planes_for(weights, begin, width)));
        for (std::size_t n = 0; n < width; ++n) {
            const auto channel = begin + depthwise_channel(n / lanes, n % lanes);
            if (channel >= weights.channels) continue;
            const auto from = weights.of(channel);
            for (std::size_t tap = 0; tap < from.size(); ++tap)
                put_weight(from[tap],
                           packed.weights.data() + at + (tap % columns * width + n) * 4 + tap / columns,
                           plane_bytes);
        }
        begin += width;
    }
    return packed;
}

}  // namespace fard::soft
