// Weights of linear layers, packed for the matrix kernels, and what their sums can become.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/bounds.hpp"

namespace fard::soft {

// A linear layer's weights: for each output channel `depth` of them, in the order in which the inputs are
// gathered.
struct Weights {
    Weights() = default;
    // `range`: of the values, where it is known.
    Weights(std::vector<std::int32_t> values, std::size_t channel_count, std::size_t depth_of_each,
            std::size_t group_count, std::optional<model::Range> range = std::nullopt);

    std::size_t channels = 0;
    std::size_t depth = 0;
    std::size_t groups = 1;  // the channels of one group follow each other

    std::span<const std::int32_t> all() const { return looked_at_->values; }  // [channels][depth]
    std::span<const std::int32_t> of(std::size_t channel) const {
        return all().subspan(channel * depth, depth);
    }
    model::SignedSums sums(std::size_t channel) const { return looked_at_->sums[channel]; }
    model::Range range() const { return looked_at_->range; }  // of all
    std::size_t group_channels() const { return channels / groups; }
    std::size_t group_panels() const;  // panels of 16 channels; each group begins a new one
    std::size_t panels() const { return groups * group_panels(); }

  private:
    struct LookedAt {
        std::vector<std::int32_t> values;
        std::vector<model::SignedSums> sums;
        model::Range range;
    };
    std::shared_ptr<const LookedAt> looked_at_;  // shared by copies
};

// The bounds of sum(x[k] * weights[k]) with every x[k] in `x`, for each channel.
std::vector<model::Range> sum_bounds(const Weights& weights, model::Range x);

// Weights in panels as GemmU8 or GemmI16 read them.
struct PackedWeights {
    bool bytes = false;                       // GemmU8, else GemmI16
    std::size_t padded_depth = 0;             // a multiple of 4 or 2
    std::vector<std::int8_t> u8_panels;       // [panels][padded_depth][16], four k together
    std::vector<std::uint32_t> segment_ends;  // for GemmU8
    std::vector<std::int16_t> i16_panels;     // [panels][padded_depth][16], two k together
};

// Packs for inputs within `x`: as bytes where x begins at 0, fits a byte, and no pair of products leaves 16
// bits; else in 16 bits; nothing if neither can hold them.
std::optional<PackedWeights> pack_weights(const Weights& weights, model::Range x);

// Weights of a depthwise convolution, [panels][taps][16]; nothing if one does not fit 16 bits.
std::optional<std::vector<std::int16_t>> pack_depthwise(const Weights& weights);

}  // namespace fard::soft
