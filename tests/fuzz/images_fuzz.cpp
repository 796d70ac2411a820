// Any bytes as an image: decoded or refused. What is decoded is cropped, resized and stored.
#include <algorithm>
#include <cstdlib>

#include "client/images.hpp"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace fard;
    const auto image = decode_image({reinterpret_cast<const char*>(data), size}, "fuzz", 100'000);
    if (!image) {
        require(image.error().message.starts_with("fuzz: "));
        return 0;
    }
    const auto pixels = static_cast<std::size_t>(image->width) * static_cast<std::size_t>(image->height);
    require(pixels > 0 && image->pixels.size() == pixels * static_cast<std::size_t>(image->channels));
    const Image middle = crop_centre(*image, (image->width + 1) / 2, (image->height + 1) / 2);
    require(resize_bilinear(middle, 7, 5).pixels.size() == 35u * static_cast<std::size_t>(image->channels));
    if (pixels > 1000) return 0;
    const auto stored = encode_png(*image);
    require(stored.has_value());
    const auto back = decode_image(*stored, "back");
    require(back.has_value() && *back == *image);
    return 0;
}
