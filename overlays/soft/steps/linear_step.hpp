// Convolutions, matrix products and depthwise convolutions, with the thresholds behind them.
#pragma once

#include <optional>

#include "overlays/soft/step.hpp"
#include "overlays/soft/steps/epilogue.hpp"
#include "overlays/soft/steps/window.hpp"
#include "overlays/soft/weights/weights.hpp"

namespace fard::soft {

// A linear layer as the compiler found it. A matrix product is a convolution of one column of pixels by 1
// x 1.
struct LinearLayer {
    BufferId in_buffer = 0, out_buffer = 0;
    bool in_bipolar = false;  // the values are -1 and 1 only
    Storage in, out;          // `out`: what is stored in the end, behind the thresholds if there are any
    model::Range in_bounds;   // of the values, with 0
    Window window;            // over one image
    std::size_t images = 1;   // for_each_image
    Weights weights;          // depth in the order kernel row, kernel column, channel of the group
    std::vector<std::int64_t> bias;             // for each channel
    const model::Tensor* thresholds = nullptr;  // constant; none, nor `requantize`: the sums are stored
    model::MultiThresholdAttributes threshold_attributes;
    const model::RequantizeAttributes* requantize =
        nullptr;  // of one operand, the sums; instead of thresholds
    // Where the result is a part of a wider image: the elements of a pixel of that, and the first that is ours. 0: it is not.
    std::size_t out_pitch = 0, out_first = 0;

    std::size_t pixel_pitch() const { return out_pitch != 0 ? out_pitch : weights.channels; }
};

// The fastest step that computes the layer; nothing if none of them can (the general one will).
StepPtr make_linear_step(const Kernels& kernels, const LinearLayer& layer);

}  // namespace fard::soft
