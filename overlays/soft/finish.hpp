// What becomes of a linear layer's sums, for all its channels.
#pragma once

#include "overlays/soft/affine_fit.hpp"
#include "overlays/soft/epilogue.hpp"
#include "overlays/soft/linear_step.hpp"

namespace fard::soft {

// Counts them, or stores them; by panels of 16 channels, each group beginning a new one.
struct Finish {
    std::optional<Limits> limits;
    std::vector<std::int32_t> offsets;  // [panels][16], where there are no limits
    Storage out;

    // sums [rows][16] of one panel; `to` is the place of the first row's first channel of the panel, rows are `stride`
    // elements apart.
    void run(const Kernels& kernels, std::size_t panel, const std::int32_t* sums, std::size_t rows,
             std::byte* to, std::size_t stride, std::size_t lanes) const;
};

// `sums`: the bounds of each channel. Nothing if they leave 32 bits, or the results are not what these do.
std::optional<Finish> make_finish(const LinearLayer& layer, std::span<const model::Range> sums);

// The same counting as multiplication and rounding (Affine in byte_kernels.hpp).
struct AffineTable {
    std::vector<AffineChannel> channels;
    std::uint8_t first = 0, last = 255;  // the lowest code, which is also added to each, and the highest
};
// Nothing where that is not exactly equal for all sums of all channels.
std::optional<AffineTable> fit_affine_table(const Weights& weights, const Finish& finish,
                                            std::span<const model::Range> sums);

}  // namespace fard::soft
