#include "overlays/soft/byte_weights.hpp"

#include <algorithm>
#include <limits>

namespace fard::soft {
namespace {

bool fit_bytes(const Weights& weights) {
    using Limits = std::numeric_limits<std::int8_t>;
    return model::holds({Limits::min(), Limits::max()}, weights.range());
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

std::optional<BytePanels> pack_byte_panels(const Weights& weights, std::size_t runs, bool tails) {
    if (!fit_bytes(weights)) return std::nullopt;
    const auto run = weights.depth / runs;
    tails = tails && run % 4 == 1 && runs > 1 && runs <= 4;
    BytePanels panels{runs, tails ? run / 4 : (run + 3) / 4, weights.group_channels(), 0, {}, tails};
    panels.group_panels = (panels.group_channels + byte_panel_width - 1) / byte_panel_width;
    panels.weights.resize(weights.groups * bytes_before(panels, panels.group_panels));
    for (std::size_t c = 0; c < weights.channels; ++c) {
        const auto group = c / panels.group_channels, in_group = c % panels.group_channels;
        const auto number = in_group / byte_panel_width, lane = in_group % byte_panel_width;
        const auto width = vectors_of(panels.lanes(number)) * vector_width;
        auto* to = panels.weights.data() + (panels.panel(group, number) - panels.weights.data()) + lane * 4;
        const auto* from = weights.of(c).data();
        for (std::size_t r = 0; r < runs; ++r)
            for (std::size_t k = 0; k < run; k += 4) {
                auto* at = k < panels.run_bytes() ? to + (r * panels.run_groups + k / 4) * width * 4
                                                  : to + runs * panels.run_groups * width * 4 + r;
                for (std::size_t i = 0; i < std::min<std::size_t>(4, run - k); ++i)
                    at[i] = static_cast<std::int8_t>(*from++);
            }
    }
    return panels;
}

std::optional<AlignedVector<std::int8_t>> pack_depthwise3(const Weights& weights) {
    if (!fit_bytes(weights)) return std::nullopt;
    AlignedVector<std::int8_t> packed;
    for (std::size_t begin = 0; begin < weights.channels;) {
        const auto width = depthwise_block(weights.channels - begin), lanes = width / 4;
        const auto at = packed.size();
        packed.resize(at + width * 12);
        for (std::size_t n = 0; n < width; ++n) {
            const auto channel = begin + depthwise_channel(n / lanes, n % lanes);
            if (channel >= weights.channels) continue;
            const auto from = weights.of(channel);
            for (std::size_t tap = 0; tap < from.size(); ++tap)
                packed[at + (tap % 3 * width + n) * 4 + tap / 3] = static_cast<std::int8_t>(from[tap]);
        }
        begin += width;
    }
    return packed;
}

}  // namespace fard::soft
