// Pictures in memory: decoding PNG, JPEG and PPM, and the geometry of input preparation. libpng and
// libjpeg-turbo are fenced in images.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace fard {

// 8-bit pixels, rows from the top, channels interleaved (HWC): 1 channel (grey) or 3 (red, green, blue).
struct Image {
    int width = 0;
    int height = 0;
    int channels = 0;
    std::vector<std::uint8_t> pixels;  // width * height * channels

    const std::uint8_t* at(int x, int y) const {
        return pixels.data() + (static_cast<std::size_t>(y) * width + x) * channels;
    }
    friend bool operator==(const Image&, const Image&) = default;
};

// True if the bytes begin like a PNG, JPEG or PPM/PGM file.
bool looks_like_image(std::string_view bytes);

// True if the file's name ends like an image's: .png .jpg .jpeg .ppm .pgm, in any case.
bool named_like_image(const std::filesystem::path& file);

// Decodes an image by its content; grey stays grey. `where` is what errors call it. Errors: invalid_input:
// not an image; more than `most_pixels`; damaged or cut short; transparent pixels; CMYK; a PPM with other
// than 8 bits.
Result<Image> decode_image(std::string_view bytes, const std::string& where,
                           std::uint64_t most_pixels = 64'000'000);

// Encodes as PNG. Errors: failed.
Result<std::string> encode_png(const Image& image);

// Bilinear with half-pixel centres: the exact rational value of every pixel, rounded to the nearest integer
// (ties up). Source pixels beyond the edge count as those at the edge. `width`, `height`: 1 to 16384.
Image resize_bilinear(const Image& image, int width, int height);

// The rectangle in the middle; where it cannot be, it lies half a pixel to the left and up. The size must fit
// in the image.
Image crop_centre(const Image& image, int width, int height);

// A grey image with its value in all three channels; others unchanged.
Image widen_grey(Image image);

}  // namespace fard
