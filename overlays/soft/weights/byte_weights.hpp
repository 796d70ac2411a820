// Weights as ByteKernels read them.
#pragma once

#include <optional>

#include "overlays/soft/aligned_vector.hpp"
#include "overlays/soft/kernels/byte_kernels.hpp"
#include "overlays/soft/weights/weights.hpp"

namespace fard::soft {

// Panels of up to 64 channels of one group; each group begins a new one.
struct BytePanels {
    std::size_t runs = 1, run_groups = 0;
    std::size_t group_channels = 0, group_panels = 0;
    AlignedVector<std::int8_t> weights;
    bool tails = false;  // GemmBytes
    // Where a weight leaves 8 bits: GemmBytes::row_factors, by lane() of each channel; else empty.
    AlignedVector<std::int16_t> row_factors;
    int low_bits = 0;  // of a row sum

    std::size_t run_bytes() const { return run_groups * 4; }
    std::size_t row_bytes() const { return runs * run_bytes() + (tails ? 4 : 0); }
    // A channel's place among lanes of 64 for each panel.
    std::size_t lane(std::size_t channel) const {
        return channel / group_channels * group_panels * byte_panel_width + channel % group_channels;
    }
    std::size_t lanes(std::size_t panel) const;  // of panel 0 .. group_panels - 1 of any group
    const std::int8_t* panel(std::size_t group, std::size_t panel) const;
    const std::int16_t (*factors(std::size_t group, std::size_t panel) const)[2];
};

// `runs` divides the depth: one for each row of the kernel. `tails`: where the runs leave one byte over each, and there are
// two to four. Nothing if a channel's weights differ by more than 255, or lie so far from 0 that a row sum of codes up to
// `largest_code` cannot be split as row_sums are.
std::optional<BytePanels> pack_byte_panels(const Weights& weights, std::size_t runs, bool tails = false,
                                           std::int32_t largest_code = 255);

// For Depthwise3, from weights of depth kernel_height * columns; up to three columns, those that are not there weigh nothing.
struct DepthwisePlanes {
    AlignedVector<std::int8_t> weights;
    std::size_t planes = 1;
    std::vector<std::uint8_t> block_planes;  // empty: one everywhere
};
// Nothing if a weight takes more than three planes.
std::optional<DepthwisePlanes> pack_depthwise3(const Weights& weights, std::size_t columns = 3);

}  // namespace fard::soft
