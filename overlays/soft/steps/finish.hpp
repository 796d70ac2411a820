// What becomes of a linear layer's sums, for all its channels.
#pragma once

#include "overlays/soft/steps/affine_fit.hpp"
#include "overlays/soft/steps/epilogue.hpp"
#include "overlays/soft/steps/linear_step.hpp"

namespace fard::soft {

// Requantize of one operand, for a channel's sums: round((sum + add) * factor + offset), as Affine's exact form.
struct ExactChannel {
    double add = 0, factor = 0, offset = 0;
};

// What Affine says, for all channels of a layer.
struct AffineTable {
    std::vector<AffineChannel> channels;
    std::vector<ExactChannel> exact;  // empty: the others are exact
    std::int16_t zero = 0;
    std::uint8_t low = 0, high = 255;
    float sure = 0.5F;
    std::vector<AffineChannel> fixed;  // empty: there is no such form
    std::uint16_t fixed_unsure = 0;
};

// The same by lane, in any order that a kernel has.
class AffineLanes {
  public:
    AffineLanes(const AffineTable& table, std::size_t lanes);
    void place(const AffineTable& table, std::size_t channel, std::size_t lane);
    Affine from(std::size_t lane) const;
    bool is_exact() const { return !exact_factors_.empty(); }

  private:
    Affine common_;
    std::vector<float> factors_, offsets_, fixed_factors_, fixed_offsets_;
    std::vector<double> exact_adds_, exact_factors_, exact_offsets_;
};

// Counts them, requantizes them, or stores them; by panels of 16 channels, each group beginning a new one.
struct Finish {
    std::optional<Limits> limits;
    std::optional<AffineTable> requantized;
    std::optional<AffineLanes> requantized_lanes;  // [panels][16]
    std::vector<std::int32_t> offsets;             // [panels][16], where there is nothing of these
    Storage out;

    // sums [rows][16] of one panel; `to` is the place of the first row's first channel of the panel, rows are `stride`
    // elements apart.
    void run(const Kernels& kernels, std::size_t panel, const std::int32_t* sums, std::size_t rows,
             std::byte* to, std::size_t stride, std::size_t lanes) const;
};

// `sums`: the bounds of each channel. Nothing if they leave 32 bits, or the results are not what these do.
std::optional<Finish> make_finish(const LinearLayer& layer, std::span<const model::Range> sums);

// What Affine has to be. Nothing where sums are stored, or counted and no Affine is equal for all sums of all channels.
std::optional<AffineTable> make_affine_table(const Weights& weights, const Finish& finish,
                                             std::span<const model::Range> sums);

}  // namespace fard::soft
