#include "client/images.hpp"

#include <doctest/doctest.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cmath>
#include <random>

using fard::decode_image;
using fard::Image;

namespace {

Image random_image(int width, int height, int channels, unsigned seed) {
    Image image{width, height, channels,
                std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * channels))};
    std::mt19937 random(seed);
    for (auto& pixel : image.pixels)
        pixel = static_cast<std::uint8_t>(random());
    return image;
}

std::string jpeg(const Image& image, int format, int subsampling) {
    const auto handle = tjInitCompress();
    unsigned char* bytes = nullptr;
    unsigned long size = 0;
    REQUIRE(tjCompress2(handle, image.pixels.data(), image.width, 0, image.height, format, &bytes, &size,
                        subsampling, 95, 0) == 0);
    std::string out(reinterpret_cast<char*>(bytes), size);
    tjFree(bytes);
    tjDestroy(handle);
    return out;
}

// The definition in floating point, one pixel at a time.
double bilinear(const Image& image, int width, int height, int x, int y, int channel) {
    const auto source = [](int target, int from, int to) {
        return std::max((target + 0.5) * from / to - 0.5, 0.0);
    };
    const double sx = source(x, image.width, width), sy = source(y, image.height, height);
    const int x0 = static_cast<int>(sx), y0 = static_cast<int>(sy);
    const int x1 = std::min(x0 + 1, image.width - 1), y1 = std::min(y0 + 1, image.height - 1);
    const double fx = sx - x0, fy = sy - y0;
    return (image.at(x0, y0)[channel] * (1 - fx) + image.at(x1, y0)[channel] * fx) * (1 - fy) +
           (image.at(x0, y1)[channel] * (1 - fx) + image.at(x1, y1)[channel] * fx) * fy;
}

}  // namespace

TEST_CASE("a PNG comes back as it was, in colour and in grey") {
    for (int channels : {1, 3}) {
        const Image image = random_image(17, 5, channels, 1);
        const auto bytes = fard::encode_png(image);
        REQUIRE(bytes);
        CHECK(fard::looks_like_image(*bytes));
        const auto back = decode_image(*bytes, "x.png");
        REQUIRE_MESSAGE(back, back.error().message);
        CHECK(*back == image);
    }
}

TEST_CASE("a JPEG comes back about as it was") {
    Image flat{16, 8, 3, {}};
    for (int i = 0; i < 16 * 8; ++i)
        flat.pixels.insert(flat.pixels.end(), {200, 100, 50});
    const auto back = decode_image(jpeg(flat, TJPF_RGB, TJSAMP_420), "x.jpg");
    REQUIRE_MESSAGE(back, back.error().message);
    REQUIRE(back->pixels.size() == flat.pixels.size());
    for (std::size_t i = 0; i < flat.pixels.size(); ++i)
        CHECK(std::abs(back->pixels[i] - flat.pixels[i]) <= 3);

    const auto grey = decode_image(jpeg(random_image(8, 8, 1, 2), TJPF_GRAY, TJSAMP_GRAY), "x.jpg");
    REQUIRE(grey);
    CHECK(grey->channels == 1);
}

TEST_CASE("PPM headers with comments and odd white space") {
    const auto image = decode_image("P6\n# made by hand\n2\t1 #\n255\nabcdef", "x.ppm");
    REQUIRE_MESSAGE(image, image.error().message);
    CHECK(image->width == 2);
    CHECK(image->pixels == std::vector<std::uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'});
    CHECK(decode_image("P5 1 1 255 z", "x.pgm")->channels == 1);
}

TEST_CASE("what is no image, or a damaged one, is an error with its name") {
    const auto png = *fard::encode_png(random_image(9, 9, 3, 3));
    const auto photo = jpeg(random_image(64, 64, 3, 4), TJPF_RGB, TJSAMP_444);
    const std::string cases[] = {
        "",
        "hello",
        "P6",
        "P6 2 2 255 short",
        "P6 2 2 65535 " + std::string(24, 'x'),
        "P6 99999999 99999999 255 ",
        "P6 0 1 255 ",
        "P6 1 1 255",
        "P6 123456789012345678901234567890 1 255 x",
        png.substr(0, 8),
        png.substr(0, png.size() / 2),
        photo.substr(0, 3),
        photo.substr(0, photo.size() / 2),
    };
    for (const auto& bytes : cases) {
        CAPTURE(bytes.substr(0, 20));
        const auto image = decode_image(bytes, "dir/bad.img");
        REQUIRE_FALSE(image);
        CHECK(image.error().fault == fard::Fault::invalid_input);
        CHECK(image.error().message.starts_with("dir/bad.img: "));
    }
}

TEST_CASE("a resize is the exact value, rounded to the nearest") {
    struct Row {
        int width, height, to_width, to_height;
    };
    for (const Row& row :
         {Row{32, 32, 224, 224}, Row{5, 7, 13, 3}, Row{40, 30, 7, 11}, Row{1, 1, 4, 4}, Row{9, 9, 9, 9}}) {
        CAPTURE(row.width);
        const Image image = random_image(row.width, row.height, 3, 5);
        const Image out = fard::resize_bilinear(image, row.to_width, row.to_height);
        int wrong = 0;
        for (int y = 0; y < row.to_height; ++y) {
            for (int x = 0; x < row.to_width; ++x) {
                for (int c = 0; c < 3; ++c) {
                    const double exact = bilinear(image, row.to_width, row.to_height, x, y, c);
                    wrong += std::abs(out.at(x, y)[c] - exact) > 0.5 + 1e-9;
                }
            }
        }
        CHECK(wrong == 0);
    }
    const Image two{2, 1, 1, {0, 255}};  // 0, 63.75, 191.25, 255
    CHECK(fard::resize_bilinear(two, 4, 1).pixels == std::vector<std::uint8_t>{0, 64, 191, 255});
    const Image pair{2, 1, 1, {10, 11}};  // a tie goes up
    CHECK(fard::resize_bilinear(pair, 1, 1).pixels == std::vector<std::uint8_t>{11});
    const Image same = random_image(6, 4, 3, 6);
    CHECK(fard::resize_bilinear(same, 6, 4) == same);
}

TEST_CASE("a crop takes the middle, and grey becomes colour where asked") {
    const Image image{4, 3, 1, {0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23}};
    CHECK(fard::crop_centre(image, 2, 1).pixels == std::vector<std::uint8_t>{11, 12});
    CHECK(fard::crop_centre(image, 3, 3).pixels ==
          std::vector<std::uint8_t>{0, 1, 2, 10, 11, 12, 20, 21, 22});
    CHECK(fard::crop_centre(image, 4, 3) == image);
    CHECK(fard::widen_grey(Image{1, 2, 1, {7, 9}}).pixels == std::vector<std::uint8_t>{7, 7, 7, 9, 9, 9});
    CHECK(fard::named_like_image("a/b.JPeG"));
    CHECK_FALSE(fard::named_like_image("a/b.txt"));
}
