#include "client/images.hpp"

#include <png.h>
#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cctype>
#include <memory>

namespace fard {
namespace {

constexpr std::string_view png_signature("\x89PNG\r\n\x1a\n", 8);
constexpr std::string_view jpeg_signature("\xff\xd8\xff", 3);

bool is_ppm(std::string_view bytes) {
    return bytes.size() > 2 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6') &&
           std::isspace(static_cast<unsigned char>(bytes[2]));
}

// An encoded image on its way in.
struct Encoded {
    std::string_view bytes;
    const std::string& where;
    std::uint64_t most_pixels;

    template <typename... Args>
    tl::unexpected<Error> wrong(fmt::format_string<Args...> format, Args&&... args) const {
        return fail(Fault::invalid_input, "{}: {}", where, fmt::format(format, std::forward<Args>(args)...));
    }

    Result<> check_size(std::uint64_t width, std::uint64_t height) const {
        if (width == 0 || height == 0) return wrong("an image without pixels");
        if (width <= most_pixels && height <= most_pixels && width * height <= most_pixels) return {};
        return wrong("{}x{} pixels, more than {}", width, height, most_pixels);
    }
};

Image make_image(std::uint64_t width, std::uint64_t height, int channels) {
    Image image{static_cast<int>(width), static_cast<int>(height), channels, {}};
    image.pixels.resize(width * height * static_cast<std::uint64_t>(channels));
    return image;
}

// Drops the alpha channel of an opaque image. Composing transparent pixels would make up values that are not
// there.
Result<Image> without_alpha(const Image& image, const Encoded& encoded) {
    const int channels = image.channels - 1;
    Image out{image.width, image.height, channels, {}};
    out.pixels.reserve(image.pixels.size() / image.channels * channels);
    for (std::size_t i = 0; i < image.pixels.size(); i += image.channels) {
        if (image.pixels[i + channels] != 255)
            return encoded.wrong("has transparent pixels; flatten it first");
        out.pixels.insert(out.pixels.end(), &image.pixels[i], &image.pixels[i] + channels);
    }
    return out;
}

Result<Image> decode_png(const Encoded& encoded) {
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    const std::unique_ptr<png_image, decltype(&png_image_free)> cleanup(&png, &png_image_free);
    if (!png_image_begin_read_from_memory(&png, encoded.bytes.data(), encoded.bytes.size())) {
        return encoded.wrong("damaged PNG: {}", png.message);
    }
    const bool colour = png.format & PNG_FORMAT_FLAG_COLOR;
    const bool alpha = png.format & PNG_FORMAT_FLAG_ALPHA;
    png.format = (colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY) | (alpha ? PNG_FORMAT_FLAG_ALPHA : 0);
    if (auto size = encoded.check_size(png.width, png.height); !size) return fail(size.error());
    Image image = make_image(png.width, png.height, PNG_IMAGE_SAMPLE_CHANNELS(png.format));
    const bool read = png_image_finish_read(&png, nullptr, image.pixels.data(), 0, nullptr);
    if (!read || PNG_IMAGE_FAILED(png)) return encoded.wrong("damaged PNG: {}", png.message);
    if (alpha) return without_alpha(image, encoded);
    return image;
}

Result<Image> decode_jpeg(const Encoded& encoded) {
    const std::unique_ptr<void, decltype(&tjDestroy)> handle(tjInitDecompress(), &tjDestroy);
    if (!handle) return fail(Fault::failed, "{}: cannot start the JPEG decoder", encoded.where);
    const auto* data = reinterpret_cast<const unsigned char*>(encoded.bytes.data());
    const auto length = encoded.bytes.size();
    int width = 0, height = 0, subsampling = 0, space = 0;
    if (tjDecompressHeader3(handle.get(), data, length, &width, &height, &subsampling, &space) != 0) {
        return encoded.wrong("damaged JPEG: {}", tjGetErrorStr2(handle.get()));
    }
    if (space == TJCS_CMYK || space == TJCS_YCCK)
        return encoded.wrong("a CMYK JPEG; convert it to RGB first");
    const auto size = encoded.check_size(static_cast<std::uint64_t>(std::max(width, 0)),
                                         static_cast<std::uint64_t>(std::max(height, 0)));
    if (!size) return fail(size.error());
    const bool grey = space == TJCS_GRAY;
    Image image =
        make_image(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height), grey ? 1 : 3);
    const int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
    if (tjDecompress2(handle.get(), data, length, image.pixels.data(), width, 0, height,
                      grey ? TJPF_GRAY : TJPF_RGB, flags) != 0) {
        return encoded.wrong("damaged JPEG: {}", tjGetErrorStr2(handle.get()));
    }
    return image;
}

// One number of a PPM header after white space and comments; moves `at` past it. 0: not a number from 1 to
// 10^8.
std::uint64_t ppm_number(std::string_view bytes, std::size_t& at) {
    while (at < bytes.size() && (std::isspace(static_cast<unsigned char>(bytes[at])) || bytes[at] == '#')) {
        at = bytes[at] == '#' ? std::min(bytes.find('\n', at), bytes.size()) : at + 1;
    }
    std::uint64_t number = 0;
    for (; at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9'; ++at) {
        number = number * 10 + static_cast<std::uint64_t>(bytes[at] - '0');
        if (number > 100'000'000) return 0;
    }
    return number;
}

Result<Image> decode_ppm(const Encoded& encoded) {
    const auto bytes = encoded.bytes;
    std::size_t at = 2;
    const auto width = ppm_number(bytes, at);
    const auto height = ppm_number(bytes, at);
    const auto most = ppm_number(bytes, at);
    if (most != 255) return encoded.wrong("a PPM whose header is damaged or not of 8 bits");
    if (auto size = encoded.check_size(width, height); !size) return fail(size.error());
    const int channels = bytes[1] == '5' ? 1 : 3;
    const std::size_t needed = width * height * static_cast<std::size_t>(channels);
    const bool separated = at < bytes.size() && std::isspace(static_cast<unsigned char>(bytes[at]));
    if (!separated || bytes.size() - at - 1 < needed) return encoded.wrong("a PPM that is cut short");
    Image image = make_image(width, height, channels);
    std::copy_n(bytes.data() + at + 1, needed, reinterpret_cast<char*>(image.pixels.data()));
    return image;
}

// Where one axis of a resize reads: value = (first * (unit - part) + second * part) / unit.
struct Tap {
    int first;
    int second;
    std::int64_t part;
};

// The taps of every target position; unit is 2 * target. A target's centre lies at ((2t + 1) * source -
// target) / unit.
std::vector<Tap> taps(int source, int target) {
    const std::int64_t unit = 2 * std::int64_t{target};
    std::vector<Tap> out;
    out.reserve(static_cast<std::size_t>(target));
    for (std::int64_t t = 0; t < target; ++t) {
        const std::int64_t centre = std::max<std::int64_t>((2 * t + 1) * source - target, 0);
        const int first = static_cast<int>(centre / unit);
        out.push_back({first, std::min(first + 1, source - 1), centre % unit});
    }
    return out;
}

}  // namespace

bool looks_like_image(std::string_view bytes) {
    return bytes.starts_with(png_signature) || bytes.starts_with(jpeg_signature) || is_ppm(bytes);
}

bool named_like_image(const std::filesystem::path& file) {
    std::string ending = file.extension().string();
    for (char& c : ending)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    constexpr std::array<std::string_view, 5> endings = {".png", ".jpg", ".jpeg", ".ppm", ".pgm"};
    return std::find(endings.begin(), endings.end(), ending) != endings.end();
}

Result<Image> decode_image(std::string_view bytes, const std::string& where, std::uint64_t most_pixels) {
    const Encoded encoded{bytes, where, most_pixels};
    if (bytes.starts_with(png_signature)) return decode_png(encoded);
    if (bytes.starts_with(jpeg_signature)) return decode_jpeg(encoded);
    if (is_ppm(bytes)) return decode_ppm(encoded);
    return encoded.wrong("not a PNG, JPEG or PPM image");
}

Result<std::string> encode_png(const Image& image) {
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    png.width = static_cast<png_uint_32>(image.width);
    png.height = static_cast<png_uint_32>(image.height);
    png.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(png), '\0');
    png_alloc_size_t size = bytes.size();
    if (!png_image_write_to_memory(&png, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr)) {
        return fail(Fault::failed, "cannot encode a PNG: {}", png.message);
    }
    bytes.resize(size);
    return bytes;
}

Image resize_bilinear(const Image& image, int width, int height) {
    assert(width > 0 && height > 0 && !image.pixels.empty());
    const auto columns = taps(image.width, width);
    const auto rows = taps(image.height, height);
    const std::int64_t x_unit = 2 * std::int64_t{width}, y_unit = 2 * std::int64_t{height};
    const std::int64_t unit = x_unit * y_unit;
    Image out{width, height, image.channels, {}};
    out.pixels.reserve(static_cast<std::size_t>(width) * height * image.channels);
    for (const auto& row : rows) {
        for (const auto& column : columns) {
            const auto* top_left = image.at(column.first, row.first);
            const auto* top_right = image.at(column.second, row.first);
            const auto* low_left = image.at(column.first, row.second);
            const auto* low_right = image.at(column.second, row.second);
            for (int c = 0; c < image.channels; ++c) {
                const std::int64_t top = top_left[c] * (x_unit - column.part) + top_right[c] * column.part;
                const std::int64_t low = low_left[c] * (x_unit - column.part) + low_right[c] * column.part;
                const std::int64_t sum = top * (y_unit - row.part) + low * row.part;
                out.pixels.push_back(static_cast<std::uint8_t>((sum + unit / 2) / unit));
            }
        }
    }
    return out;
}

Image crop_centre(const Image& image, int width, int height) {
    assert(width > 0 && height > 0 && width <= image.width && height <= image.height);
    const int left = (image.width - width) / 2, top = (image.height - height) / 2;
    Image out{width, height, image.channels, {}};
    out.pixels.reserve(static_cast<std::size_t>(width) * height * image.channels);
    for (int y = top; y < top + height; ++y) {
        const auto* row = image.at(left, y);
        out.pixels.insert(out.pixels.end(), row, row + static_cast<std::size_t>(width) * image.channels);
    }
    return out;
}

Image widen_grey(Image image) {
    if (image.channels != 1) return image;
    Image out{image.width, image.height, 3, {}};
    out.pixels.reserve(image.pixels.size() * 3);
    for (auto value : image.pixels)
        out.pixels.insert(out.pixels.end(), 3, value);
    return out;
}

}  // namespace fard
