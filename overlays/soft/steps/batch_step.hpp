// A step for one image, done for each image of a batch.
#pragma once

#include "overlays/soft/step.hpp"

namespace fard::soft {

// `step` reads one buffer. in_bytes, out_bytes: from an image to the next in what it reads and writes. Threads part the
// images where there are enough of them, else each image. For one image it is `step` itself.
StepPtr for_each_image(StepPtr step, std::size_t images, std::size_t in_bytes, std::size_t out_bytes);

}  // namespace fard::soft
