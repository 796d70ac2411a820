// Steps over fractions. Their results are the reference interpreter's, to the last bit, but for layers that need not be exact
// (float_kernels.hpp).
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "model/graph.hpp"
#include "overlays/soft/aligned_vector.hpp"
#include "overlays/soft/kernels/float_kernels.hpp"
#include "overlays/soft/step.hpp"
#include "overlays/soft/steps/window.hpp"
#include "overlays/soft/storage.hpp"

namespace fard::soft {

// A convolution, or a matrix product as one of 1 x 1.
struct FloatLayer {
    BufferId in_buffer = 0, out_buffer = 0;
    Window window;           // over one image
    std::size_t images = 1;  // for_each_image
    std::size_t channels = 1, groups = 1, depth = 1;
    std::vector<double> weights;     // [channels][depth], a window's channels before its rows and columns
    std::vector<double> start, end;  // of the sums, for each channel; empty: 0, nothing
    bool relu = false;               // behind it
    bool exact = true;               // else within ONNX's tolerance (float_kernels.hpp)
    // Elements between pixels of the output, where these lie within wider ones, and before the first; not where it is exact.
    std::size_t out_pitch = 0, out_first = 0;

    bool is_depthwise() const { return groups > 1 && groups == channels && window.channels == channels; }
};

// Calls visit(whether it is inside of the image, its number there) for each pixel under the window of the output pixel in row `row`,
// column `column`.
template <typename Visit>
void for_each_tap(const Window& window, std::int64_t row, std::int64_t column, Visit visit) {
    const auto top = row * window.strides.height - window.pads.top;
    const auto left = column * window.strides.width - window.pads.left;
    for (std::int64_t i = 0; i < window.kernel.height; ++i)
        for (std::int64_t j = 0; j < window.kernel.width; ++j) {
            const auto y = top + i * window.dilations.height, x = left + j * window.dilations.width;
            const bool inside = y >= 0 && y < window.in_height && x >= 0 && x < window.in_width;
            visit(inside, inside ? static_cast<std::size_t>(y * window.in_width + x) : 0);
        }
}

// Of output pixel `pixel`.
template <typename Visit>
void for_each_tap(const Window& window, std::size_t pixel, Visit visit) {
    const auto number = static_cast<std::int64_t>(pixel);
    for_each_tap(window, number / window.out_width, number % window.out_width, visit);
}

StepPtr make_float_layer_step(const FloatKernels& kernels, FloatLayer layer);

// The largest element of each window, or the mean; NHWC.
StepPtr make_float_pool_step(const FloatKernels& kernels, const model::PoolAttributes& attributes, bool average,
                             BufferId in_buffer, const Storage& in, BufferId out_buffer, const Storage& out);

// Makes `count` elements, one row of the last dimension in memory; `room` is for as many numbers.
using RowFunction = std::function<void(const float* from, float* to, std::size_t count, double* room)>;

// Each row by itself.
StepPtr make_float_map_step(std::string_view kind, RowFunction of_row, BufferId in_buffer,
                            BufferId out_buffer, const Storage& out);

// Each element of two tensors of one shape.
StepPtr make_float_pair_step(model::Op op, BufferId a, BufferId b, BufferId out_buffer, const Storage& out);

}  // namespace fard::soft
