#include "overlays/soft/weights/weights.hpp"

#include <algorithm>
#include <limits>

#include "overlays/soft/kernels/kernels.hpp"

namespace fard::soft {
namespace {

// Whether all are a T, and none below `low`.
template <typename T>
bool all_fit(const Weights& weights, std::int32_t low = std::numeric_limits<T>::min()) {
    return model::holds({low, std::numeric_limits<T>::max()}, weights.range());
}

// Writes every channel's weights into its lane of its panel, `together` consecutive k side by side.
template <typename T, std::size_t together>
std::vector<T> fill_panels(const Weights& weights, std::size_t padded_depth) {
    std::vector<T> panels(weights.panels() * padded_depth * panel_width);
    for (std::size_t channel = 0; channel < weights.channels; ++channel) {
        const auto in_group = channel % weights.group_channels();
        const auto panel =
            channel / weights.group_channels() * weights.group_panels() + in_group / panel_width;
        T* lane = panels.data() + panel * padded_depth * panel_width + in_group % panel_width * together;
        const auto from = weights.of(channel);
        for (std::size_t k = 0; k < from.size(); ++k)
            lane[k / together * together * panel_width + k % together] = static_cast<T>(from[k]);
    }
    return panels;
}

// The bounds of the 16-bit sums of one channel within the running segment: of the k with k % 4 < 2, and of
// the others.
struct HalfSums {
    std::int32_t low[2] = {}, high[2] = {};

    void add(std::span<const std::int32_t> weights, std::size_t group, std::int32_t largest) {
        for (std::size_t i = 0; i < 4 && group * 4 + i < weights.size(); ++i) {
            const auto product = weights[group * 4 + i] * largest;
            auto* const half = product < 0 ? low : high;
            half[i / 2] += product;
        }
    }
    bool fit() const {
        using Limits = std::numeric_limits<std::int16_t>;
        return std::min(low[0], low[1]) >= Limits::min() && std::max(high[0], high[1]) <= Limits::max();
    }
};

// Whether even all of a channel's products together fit 16 bits.
bool surely_fits(model::SignedSums weights, std::int32_t largest) {
    return (weights.positive - weights.negative) * largest <= std::numeric_limits<std::int16_t>::max();
}

// Cuts the depth into the fewest segments within which no channel's 16-bit sums overflow.
std::optional<std::vector<std::uint32_t>> find_segments(const Weights& weights, std::int32_t largest) {
    const auto groups = (weights.depth + 3) / 4;
    std::vector<std::size_t> large;
    for (std::size_t channel = 0; channel < weights.channels; ++channel)
        if (!surely_fits(weights.sums(channel), largest)) large.push_back(channel);
    std::vector<std::uint32_t> ends;
    std::uint32_t begin = 0;
    while (begin < groups) {
        auto end = static_cast<std::uint32_t>(groups);
        for (const auto channel : large) {
            HalfSums sums;
            const auto row = weights.of(channel);
            for (auto group = begin; group < end; ++group) {
                sums.add(row, group, largest);
                if (!sums.fit()) end = group;
            }
        }
        if (end == begin) return std::nullopt;  // one pair of products is too large already
        ends.push_back(end);
        begin = end;
    }
    return ends;
}

}  // namespace

Weights::Weights(std::vector<std::int32_t> values, std::size_t channel_count, std::size_t depth_of_each,
                 std::size_t group_count, std::optional<model::Range> range)
    : channels(channel_count), depth(depth_of_each), groups(group_count) {
    LookedAt found{std::move(values), {}, {}};
    const std::span<const std::int32_t> all(found.values);
    for (std::size_t channel = 0; channel < channels; ++channel)
        found.sums.push_back(model::signed_sums(all.subspan(channel * depth, depth)));
    if (!all.empty()) found.range = range ? *range : model::range_of(all);
    looked_at_ = std::make_shared<const LookedAt>(std::move(found));
}

std::size_t Weights::group_panels() const {
    return (group_channels() + panel_width - 1) / panel_width;
}

std::vector<model::Range> sum_bounds(const Weights& weights, model::Range x) {
    std::vector<model::Range> bounds(weights.channels);
    for (std::size_t channel = 0; channel < weights.channels; ++channel)
        bounds[channel] = model::weighted_sum(x, weights.sums(channel));
    return bounds;
}

std::optional<PackedWeights> pack_weights(const Weights& weights, model::Range x) {
    PackedWeights packed;
    if (x.min == 0 && x.max <= 255 && all_fit<std::int8_t>(weights)) {
        if (auto ends = find_segments(weights, static_cast<std::int32_t>(x.max))) {
            packed.bytes = true;
            packed.padded_depth = (weights.depth + 3) / 4 * 4;
            packed.segment_ends = std::move(*ends);
            packed.u8_panels = fill_panels<std::int8_t, 4>(weights, packed.padded_depth);
            return packed;
        }
    }
    const bool x_fits = x.min >= std::numeric_limits<std::int16_t>::min() &&
                        x.max <= std::numeric_limits<std::int16_t>::max();
    if (!x_fits || !all_fit<std::int16_t>(weights, -std::numeric_limits<std::int16_t>::max()))
        return std::nullopt;
    packed.padded_depth = (weights.depth + 1) / 2 * 2;
    packed.i16_panels = fill_panels<std::int16_t, 2>(weights, packed.padded_depth);
    return packed;
}

std::optional<std::vector<std::int16_t>> pack_depthwise(const Weights& weights) {
    if (!all_fit<std::int16_t>(weights)) return std::nullopt;
    const auto panels = (weights.channels + panel_width - 1) / panel_width;
    std::vector<std::int16_t> packed(panels * weights.depth * panel_width);
    for (std::size_t channel = 0; channel < weights.channels; ++channel)
        for (std::size_t tap = 0; tap < weights.depth; ++tap)
            packed[(channel / panel_width * weights.depth + tap) * panel_width + channel % panel_width] =
                static_cast<std::int16_t>(weights.of(channel)[tap]);
    return packed;
}

}  // namespace fard::soft
