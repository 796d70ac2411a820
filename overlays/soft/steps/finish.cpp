#include "overlays/soft/steps/finish.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "overlays/soft/steps/affine_fit.hpp"

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
        const auto sums = layer.weights.sums(c);
        offsets[c] += (sums.negative + sums.positive) * layer.in.base;
    }
    return offsets;
}

double entry(const std::vector<double>& list, std::size_t channel) {
    return list.empty() ? 0 : list[list.size() == 1 ? 0 : channel];
}

// The codes that Requantize gives, as far as Affine can: nothing if a constant leaves its type.
std::optional<AffineTable> requantized_codes(const model::RequantizeAttributes& attributes,
                                             const Storage& out) {
    const std::int64_t zero = std::int64_t{attributes.zero_point} - out.base,
                       low = attributes.range.min - out.base, high = attributes.range.max - out.base;
    if (out.kind != Storage::Kind::u8 || std::abs(zero) > 4096 || low < 0 || high > 255 || low > high)
        return std::nullopt;
    AffineTable table;
    table.zero = static_cast<std::int16_t>(zero);
    table.low = static_cast<std::uint8_t>(low);
    table.high = static_cast<std::uint8_t>(high);
    return table;
}

// How far the float form's t can be from the exact one, where neither is beyond what is cut off anyhow: each of its
// constants, its sum, its product and its result are off by at most 2^-24 of themselves.
double largest_error(const AffineTable& table, const AffineChannel& channel) {
    const double t = std::max(std::abs(table.low - table.zero), std::abs(table.high - table.zero)) + 1;
    const double offset = std::abs(static_cast<double>(channel.offset));
    return (2 * (t + offset) + offset + t) * 0x1p-24 * 1.01;
}

constexpr double fixed_one = 65536;

// The fixed form of one channel for a margin of m, in units of the last of its 32 bits: half a code and m are added, so that
// s >> 16 rounds, and every s whose lower bits lie below 2 m is taken for unsure. That is right if s is nowhere off by m or
// more where the code is between `low` - 1 and `high` + 2; beyond, both forms are cut off, since both rise or fall throughout.
// Nothing if that is not so, or s can leave 32 bits.
std::optional<AffineChannel> fixed_channel(const ExactChannel& exact, const AffineTable& table,
                                           model::Range sums, int m) {
    const double factor = exact.factor * fixed_one;
    const double offset =
        (exact.add * exact.factor + exact.offset + table.zero + 0.5) * fixed_one + static_cast<double>(m);
    const auto least = static_cast<double>(sums.min), most = static_cast<double>(sums.max);
    double from = least, to = most;  // the sums within the codes
    if (factor != 0) {
        const double ends[] = {((table.low - 0.5) * fixed_one - offset) / factor,
                               ((table.high + 2.5) * fixed_one - offset) / factor};
        from = std::clamp(std::min(ends[0], ends[1]), least, most);
        to = std::clamp(std::max(ends[0], ends[1]), least, most);
    }
    AffineChannel channel{static_cast<float>(factor), 0};
    const double slope = channel.factor - factor;  // of the error
    channel.offset = static_cast<float>(offset - slope * (from + to) / 2);
    const double shift = channel.offset - offset;
    const double farthest = std::max(std::abs(from), std::abs(to));
    const double sum_error = farthest > 0x1p24 ? farthest * std::abs(factor) * 0x1p-24 : 0;
    const double rounding =
        std::max(1.0, (table.high + 4) * fixed_one * 0x1p-24);  // of the fma, and to a whole number
    const double error =
        std::max(std::abs(slope * from + shift), std::abs(slope * to + shift)) + sum_error + rounding;
    const double largest = std::max(std::abs(least * factor + offset), std::abs(most * factor + offset));
    if (!(error * 1.01 < m) || !(largest < 0x1p31 - 0x1p16)) return std::nullopt;
    return channel;
}

// With the smallest margin that serves all channels.
void add_fixed_form(AffineTable& table, std::span<const model::Range> sums) {
    for (int m = 2; m <= 8; ++m) {
        table.fixed.clear();
        for (std::size_t c = 0; c < sums.size(); ++c)
            if (const auto channel = fixed_channel(table.exact[c], table, sums[c], m))
                table.fixed.push_back(*channel);
            else
                break;
        table.fixed_unsure = static_cast<std::uint16_t>(2 * m);
        if (table.fixed.size() == sums.size()) return;
    }
    table.fixed.clear();
}

std::optional<AffineTable> requantize_table(const LinearLayer& layer, std::span<const std::int64_t> offsets,
                                            std::span<const model::Range> sums) {
    constexpr double far = 0x1p30;  // round() must give 32 bits
    auto table = requantized_codes(*layer.requantize, layer.out);
    if (!table) return std::nullopt;
    const auto& operand = layer.requantize->operands[0];
    double error = 0;
    for (std::size_t c = 0; c < sums.size(); ++c) {
        const ExactChannel exact{static_cast<double>(offsets[c] - operand.zero_point),
                                 entry(operand.multiplier, c), entry(layer.requantize->offset, c)};
        for (const auto sum : {sums[c].min, sums[c].max})
            if (!(std::abs((static_cast<double>(sum) + exact.add) * exact.factor + exact.offset) < far))
                return std::nullopt;
        const AffineChannel channel{static_cast<float>(exact.factor),
                                    static_cast<float>(exact.add * exact.factor + exact.offset)};
        error = std::max(error, largest_error(*table, channel));
        table->exact.push_back(exact);
        table->channels.push_back(channel);
    }
    table->sure = static_cast<float>(0.5 - error);
    add_fixed_form(*table, sums);
    return table;
}

}  // namespace

AffineLanes::AffineLanes(const AffineTable& table, std::size_t lanes) : factors_(lanes), offsets_(lanes) {
    common_.zero = table.zero, common_.low = table.low, common_.high = table.high, common_.sure = table.sure;
    common_.fixed_unsure = table.fixed_unsure;
    if (!table.fixed.empty()) {
        fixed_factors_.resize(lanes);
        fixed_offsets_.resize(lanes, static_cast<float>(fixed_one / 2));  // a lane without a channel is sure
    }
    if (!table.exact.empty())
        exact_adds_.resize(lanes), exact_factors_.resize(lanes), exact_offsets_.resize(lanes);
}

void AffineLanes::place(const AffineTable& table, std::size_t channel, std::size_t lane) {
    factors_[lane] = table.channels[channel].factor;
    offsets_[lane] = table.channels[channel].offset;
    if (!table.fixed.empty()) {
        fixed_factors_[lane] = table.fixed[channel].factor;
        fixed_offsets_[lane] = table.fixed[channel].offset;
    }
    if (table.exact.empty()) return;
    exact_adds_[lane] = table.exact[channel].add;
    exact_factors_[lane] = table.exact[channel].factor;
    exact_offsets_[lane] = table.exact[channel].offset;
}

Affine AffineLanes::from(std::size_t lane) const {
    Affine affine = common_;
    affine.factors = factors_.data() + lane;
    affine.offsets = offsets_.data() + lane;
    if (!fixed_factors_.empty()) {
        affine.fixed_factors = fixed_factors_.data() + lane;
        affine.fixed_offsets = fixed_offsets_.data() + lane;
    }
    if (!is_exact()) return affine;
    affine.exact_adds = exact_adds_.data() + lane;
    affine.exact_factors = exact_factors_.data() + lane;
    affine.exact_offsets = exact_offsets_.data() + lane;
    return affine;
}

std::optional<Finish> make_finish(const LinearLayer& layer, std::span<const model::Range> sums) {
    using Limits32 = std::numeric_limits<std::int32_t>;
    for (const auto& each : sums)
        if (each.min < Limits32::min() || each.max > Limits32::max()) return std::nullopt;
    Finish finish{{}, {}, {}, {}, layer.out};
    const auto offsets = offsets_of(layer);
    const auto lanes = lanes_of(layer.weights);
    if (layer.thresholds) {
        finish.limits = Limits::build({*layer.thresholds, layer.threshold_attributes, layer.out, offsets,
                                       sums, lanes, layer.weights.panels()});
        if (!finish.limits) return std::nullopt;
        return finish;
    }
    if (layer.requantize) {
        finish.requantized = requantize_table(layer, offsets, sums);
        if (!finish.requantized) return std::nullopt;
        finish.requantized_lanes.emplace(*finish.requantized, layer.weights.panels() * panel_width);
        for (std::size_t c = 0; c < lanes.size(); ++c)
            finish.requantized_lanes->place(*finish.requantized, c,
                                            lanes[c].panel * panel_width + lanes[c].lane);
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
    auto* codes = reinterpret_cast<std::uint8_t*>(to);
    if (limits) return limits->count(kernels, panel, sums, rows, codes, stride, lanes);
    if (!requantized)
        return store_sums(out, sums, rows, offsets.data() + panel * panel_width, to, stride, lanes);
    kernels.finish16({sums, rows, requantized_lanes->from(panel * panel_width), codes, stride, lanes});
}

std::optional<AffineTable> make_affine_table(const Weights& weights, const Finish& finish,
                                             std::span<const model::Range> sums) {
    if (finish.requantized) return finish.requantized;
    if (!finish.limits) return std::nullopt;
    const auto& limits = *finish.limits;
    const auto lanes = lanes_of(weights);
    AffineTable table;
    table.zero = table.low = limits.first();
    table.high = static_cast<std::uint8_t>(limits.first() + limits.steps());
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
