// Thresholds that lie evenly enough are a multiplication, an addition and a rounding: found and proved here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "model/graph.hpp"

namespace fard::soft {

struct AffineChannel {
    float factor = 0, offset = 0;
};

// factor and offset such that clamp(round(x * factor + offset), 0, steps) (as Affine in byte_kernels.hpp) counts the
// passed thresholds for every integer x within `sums`, which lies within 32 bits; nothing if there are none. `passing`:
// for each threshold the smallest x that passes it, ascending, within [sums.min, sums.max + 1].
//
// Both sides rise with x, so that they are equal everywhere if they are on either side of each threshold: the fit is
// tried with those and is therefore exact, not probable.
std::optional<AffineChannel> fit_affine(std::span<const std::int64_t> passing, model::Range sums);

}  // namespace fard::soft
