// What becomes of a linear layer's sums: counted against thresholds, or stored.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/graph.hpp"
#include "overlays/soft/kernels/kernels.hpp"
#include "overlays/soft/storage.hpp"

namespace fard::soft {

// A channel's place among panels of 16.
struct Lane {
    std::size_t panel, lane;
};

// The thresholds of a MultiThreshold, moved to the sums that the kernels make: value = sum + offset[channel].
class Limits {
  public:
    struct Wanted {
        const model::Tensor& thresholds;  // constant [C or 1][T]
        const model::MultiThresholdAttributes& attributes;
        const Storage& out;
        std::span<const std::int64_t> offsets;  // for each channel
        std::span<const model::Range> sums;     // bounds, for each channel, within 32 bits
        std::span<const Lane> lanes;            // for each channel
        std::size_t panels;
    };
    // Nothing where the results are no codes that counting gives (a fractional scale, not bytes, ...).
    static std::optional<Limits> build(const Wanted& wanted);

    bool fits_16_bits() const { return !limits16_.empty() || steps_ == 0; }
    std::size_t steps() const { return steps_; }
    std::uint8_t first() const { return first_; }
    std::int32_t limit(Lane at, std::size_t step) const {
        const auto i = (at.panel * steps_ + step) * panel_width + at.lane;
        return limits16_.empty() ? limits32_[i] : limits16_[i];
    }
    const std::int16_t* narrow(std::size_t panel) const {
        return limits16_.data() + panel * steps_ * panel_width;
    }

    // out[r * stride + lane] for one panel's sums [rows][16].
    void count(const Kernels& kernels, std::size_t panel, const std::int32_t* sums, std::size_t rows,
               std::uint8_t* out, std::size_t stride, std::size_t lanes) const;

  private:
    std::size_t steps_ = 0;
    std::uint8_t first_ = 0;
    std::vector<std::int16_t> limits16_;  // [panels][steps][16]; empty if a sum needs more
    std::vector<std::int32_t> limits32_;  // the same; empty if the others serve
};

// Stores sums [rows][16] + offsets[lane] as elements of `out`; `to` is the first row's place in the tensor,
// and rows are `stride` elements apart.
void store_sums(const Storage& out, const std::int32_t* sums, std::size_t rows, const std::int32_t* offsets,
                void* to, std::size_t stride, std::size_t lanes);

}  // namespace fard::soft
