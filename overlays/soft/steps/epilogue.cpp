#include "overlays/soft/steps/epilogue.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fard::soft {
namespace {

// The smallest integer sum that passes `threshold`, within [sums.min, sums.max + 1].
std::int64_t first_passing(double threshold, std::int64_t offset, model::Range sums) {
    constexpr double far = 0x1p40;  // beyond every sum and offset
    if (std::isnan(threshold) || threshold > far) return sums.max + 1;
    if (threshold < -far) return sums.min;
    return std::clamp(static_cast<std::int64_t>(std::ceil(threshold)) - offset, sums.min, sums.max + 1);
}

double threshold_at(const model::Values& values, std::size_t at) {
    return values.integers.empty() ? static_cast<double>(values.floats[at]) : values.integers[at];
}

template <typename T>
bool fits(std::int64_t low, std::int64_t high) {
    return low >= std::numeric_limits<T>::min() && high <= std::numeric_limits<T>::max();
}

template <typename T>
void store_as(const std::int32_t* sums, std::size_t rows, const std::int32_t* offsets, T* to,
              std::size_t stride, std::size_t lanes) {
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t n = 0; n < lanes; ++n)
            to[r * stride + n] = static_cast<T>(static_cast<std::uint32_t>(sums[r * panel_width + n]) +
                                                static_cast<std::uint32_t>(offsets[n]));
}

}  // namespace

std::optional<Limits> Limits::build(const Wanted& wanted) {
    const auto& shape = wanted.thresholds.shape;
    const auto rows = static_cast<std::size_t>(shape[0]), row_steps = static_cast<std::size_t>(shape[1]);
    const double scale = wanted.attributes.scale, first = wanted.attributes.bias - wanted.out.base;
    const bool counts = wanted.out.kind == Storage::Kind::u8 && scale >= 1 && scale == std::floor(scale) &&
                        first >= 0 && first == std::floor(first) &&
                        first + scale * static_cast<double>(row_steps) <= wanted.out.width;
    if (!counts) return std::nullopt;

    Limits limits;
    const auto repeats = static_cast<std::size_t>(scale);  // a step of 2 is two steps at the same place
    limits.steps_ = row_steps * repeats;
    limits.first_ = static_cast<std::uint8_t>(first);
    model::Range all{0, 0};
    for (const auto& each : wanted.sums)
        all = {std::min(all.min, each.min), std::max(all.max, each.max)};
    if (!fits<std::int32_t>(all.min - 1, all.max)) return std::nullopt;
    limits.limits32_.resize(wanted.panels * limits.steps_ * panel_width);
    std::vector<std::int64_t> ascending(row_steps);
    for (std::size_t c = 0; c < wanted.lanes.size(); ++c) {
        for (std::size_t t = 0; t < row_steps; ++t)
            ascending[t] =
                first_passing(threshold_at(*wanted.thresholds.constant, (rows == 1 ? 0 : c) * row_steps + t),
                              wanted.offsets[c], wanted.sums[c]);
        std::ranges::sort(ascending);
        auto* lane = limits.limits32_.data() + wanted.lanes[c].panel * limits.steps_ * panel_width +
                     wanted.lanes[c].lane;
        for (std::size_t t = 0; t < limits.steps_; ++t)
            lane[t * panel_width] = static_cast<std::int32_t>(ascending[t / repeats] - 1);
    }
    if (fits<std::int16_t>(all.min - 1, all.max)) {
        limits.limits16_.assign(limits.limits32_.begin(), limits.limits32_.end());
        limits.limits32_ = {};
    }
    return limits;
}

void Limits::count(const Kernels& kernels, std::size_t panel, const std::int32_t* sums, std::size_t rows,
                   std::uint8_t* out, std::size_t stride, std::size_t lanes) const {
    const auto at = panel * steps_ * panel_width;
    if (fits_16_bits())
        kernels.count16({sums, rows, limits16_.data() + at, steps_, first_, out, stride, lanes});
    else
        kernels.count32({sums, rows, limits32_.data() + at, steps_, first_, out, stride, lanes});
}

void store_sums(const Storage& out, const std::int32_t* sums, std::size_t rows, const std::int32_t* offsets,
                void* to, std::size_t stride, std::size_t lanes) {
    switch (out.kind) {
        case Storage::Kind::u8:
            return store_as(sums, rows, offsets, static_cast<std::uint8_t*>(to), stride, lanes);
        case Storage::Kind::i16:
            return store_as(sums, rows, offsets, static_cast<std::int16_t*>(to), stride, lanes);
        case Storage::Kind::i32:
            return store_as(sums, rows, offsets, static_cast<std::int32_t*>(to), stride, lanes);
        case Storage::Kind::f32:
            return;  // the compiler never asks for it
    }
}

}  // namespace fard::soft
