// Sliding windows over an NHWC image.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/graph.hpp"

namespace fard::soft {

struct Window {
    std::int64_t in_height = 1, in_width = 1;
    std::int64_t out_height = 1, out_width = 1;
    model::Extent2 kernel, strides, dilations;
    model::Pads pads;
    std::size_t channels = 1;  // of a pixel of the input

    std::size_t out_pixels() const { return static_cast<std::size_t>(out_height * out_width); }
    std::size_t taps() const { return static_cast<std::size_t>(kernel.height * kernel.width); }
    bool is_pointwise()
        const;  // every output pixel looks at the input pixel of the same number, and only there
};

// From the shapes in memory order (NHWC, one image).
Window window_of(const model::Shape& in, const model::Shape& out, const model::Extent2& kernel,
                 const model::Extent2& strides, const model::Extent2& dilations, const model::Pads& pads);

// The input pixel under each kernel position of output pixel `pixel`: taps[i] points to its channels, or is
// `outside` where the window leaves the image.
void find_taps(const Window& window, const std::uint8_t* image, std::size_t pixel,
               const std::uint8_t* outside, const std::uint8_t** taps);

// Copies windows of `channels` channels from `first_channel` on, in the order kernel row, kernel column,
// channel: one row of `stride` elements for each of the output pixels first .. first + count - 1. Behind each
// window the row is zero.
struct GatherJob {
    std::size_t first, count;
    std::size_t first_channel, channels;
    std::size_t stride;
};
void gather_windows(const Window& window, const GatherJob& job, const std::uint8_t* image,
                    std::uint8_t outside, std::uint8_t* rows);
void gather_windows(const Window& window, const GatherJob& job, const std::int16_t* image,
                    std::int16_t outside, std::int16_t* rows);

}  // namespace fard::soft
