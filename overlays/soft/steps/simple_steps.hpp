// Steps with no weights.
#pragma once

#include "overlays/soft/step.hpp"
#include "overlays/soft/steps/window.hpp"
#include "overlays/soft/storage.hpp"

namespace fard::soft {

struct Route {
    BufferId in_buffer = 0, out_buffer = 0;
    Storage in, out;
};

// Codes to codes, by one table of 256 for each channel, or one for all ([channels or 1][256]). The channels
// are the last dimension.
StepPtr make_table_step(const Route& route, std::vector<std::uint8_t> table);

// The maximum of each window; both sides have the same codes. Windows may leave the image.
StepPtr make_max_pool_step(const Kernels& kernels, const Route& route, const Window& window);

// The sum over all pixels of one image for each channel, from codes.
StepPtr make_pixel_sum_step(const Kernels& kernels, const Route& route);

// An image's elements into the order channel, row, column; both sides have the same elements.
StepPtr make_channels_first_step(const Route& route);

}  // namespace fard::soft
