// Matrix products of any two tensors: computed or constant, fractions or integers, in any layout, broadcast and transposed.
#pragma once

#include <optional>

#include "overlays/soft/kernels/float_kernels.hpp"
#include "overlays/soft/steps/feeds.hpp"

namespace fard::soft {

// alpha * a b + beta * c over matrices; dimensions before the last two are broadcast.
struct Product {
    Feed a, b;
    std::optional<Feed> c = std::nullopt;  // broadcast to the result
    double alpha = 1, beta = 1;
    bool transpose_a = false, transpose_b = false;
    bool exact = true;  // else sums are in single precision where the result is fractions
};
StepPtr make_any_product_step(const FloatKernels& kernels, const Product& product, const Outcome& outcome);

}  // namespace fard::soft
