#include "overlays/soft/finish.hpp"

#include <limits>

#include "overlays/soft/affine_fit.hpp"

namespace fard::soft {
namespace {

std::vector<Lane> lanes_of(const Weights& weights) {
    std::vector<Lane> lanes;
    for (std::size_t c = 0; c < weights.channels; ++c) {
        const auto group = c / weights.group_channels(), in_group = c % weights.group_channels();
        lanes.push_back({group * weights.group_panels() + in_group / panel_width, in_group % panel_width});
    }
    return lanes;
}

// Sums are of codes; the values' sums are `base` times all weights, and the bias, away from them.
std::vector<std::int64_t> offsets_of(const LinearLayer& layer) {
    std::vector<std::int64_t> offsets = layer.bias;
    for (std::size_t c = 0; c < offsets.size(); ++c) {
        std::int64_t total = 0;
        for (const auto weight : layer.weights.of(c))
            total += weight;
        offsets[c] += total * layer.in.base;
    }
    return offsets;
}

}  // namespace

std::optional<Finish> make_finish(const LinearLayer& layer, std::span<const model::Range> sums) {
    using Limits32 = std::numeric_limits<std::int32_t>;
    for (const auto& each : sums)
        if (each.min < Limits32::min() || each.max > Limits32::max()) return std::nullopt;
    Finish finish{{}, {}, layer.out};
    const auto offsets = offsets_of(layer);
    const auto lanes = lanes_of(layer.weights);
    if (layer.thresholds) {
        finish.limits = Limits::build({*layer.thresholds, layer.threshold_attributes, layer.out, offsets,
                                       sums, lanes, layer.weights.panels()});
        if (!finish.limits) return std::nullopt;
        return finish;
    }
    if (layer.out.kind == Storage::Kind::f32) return std::nullopt;
    finish.offsets.resize(layer.weights.panels() * panel_width);
    for (std::size_t c = 0; c < lanes.size(); ++c) {
        const auto offset = offsets[c] - layer.out.base;
        if (offset < Limits32::min() || offset > Limits32::max()) return std::nullopt;
        finish.offsets[lanes[c].panel * panel_width + lanes[c].lane] = static_cast<std::int32_t>(offset);
    }
    return finish;
}

void Finish::run(const Kernels& kernels, std::size_t panel, const std::int32_t* sums, std::size_t rows,
                 std::byte* to, std::size_t stride, std::size_t lanes) const {
    if (limits)
        limits->count(kernels, panel, sums, rows, reinterpret_cast<std::uint8_t*>(to), stride, lanes);
    else
        store_sums(out, sums, rows, offsets.data() + panel * panel_width, to, stride, lanes);
}

std::optional<AffineTable> fit_affine_table(const Weights& weights, const Finish& finish,
                                            std::span<const model::Range> sums) {
    if (!finish.limits) return std::nullopt;
    const auto& limits = *finish.limits;
    const auto lanes = lanes_of(weights);
    AffineTable table{{}, limits.first(), static_cast<std::uint8_t>(limits.first() + limits.steps())};
    std::vector<std::int64_t> passing(limits.steps());
    for (std::size_t c = 0; c < lanes.size(); ++c) {
        for (std::size_t t = 0; t < passing.size(); ++t)
            passing[t] = std::int64_t{limits.limit(lanes[c], t)} + 1;
        const auto channel = fit_affine(passing, sums[c]);
        if (!channel) return std::nullopt;
        table.channels.push_back(*channel);
    }
    return table;
}

}  // namespace fard::soft
