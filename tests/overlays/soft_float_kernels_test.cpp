// The kernels in single precision against sums in double, and against themselves in other tiles.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "overlays/soft/aligned_vector.hpp"
#include "overlays/soft/kernels/float_kernels.hpp"
#include "overlays/soft/kernels/kernels.hpp"
#include "tests/overlays/draw.hpp"

using namespace fard;
using namespace fard::soft;

namespace {

// One product of `rows` rows, in tiles as a kernel takes them; `parts`: so many calls, each for a part of the depth.
struct Product {
    std::size_t rows, taps, channels, lanes;
    bool relu;
    AlignedVector<float> data, panel, start;
    std::vector<const float*> pointers;

    Product(std::mt19937& random, std::size_t row_count, std::size_t tap_count, std::size_t depth, std::size_t width, bool with_relu)
        : rows(row_count),
          taps(tap_count),
          channels(depth),
          lanes(width),
          relu(with_relu),
          data(fractions(random, rows * taps * channels)),
          panel(fractions(random, taps * channels * single_panel_width)),
          start(fractions(random, single_panel_width)) {
        for (std::size_t t = 0; t < taps; ++t)
            for (std::size_t r = 0; r < rows; ++r)
                pointers.push_back(data.data() + (r * taps + t) * channels);
    }

    std::vector<float> run(const FloatKernels& kernels) const {
        std::vector<float> out(rows * (lanes + 3), 7);
        kernels.gemm_singles({pointers.data(), rows, taps, 0, channels, panel.data(), start.data(), out.data(), lanes + 3, lanes, relu});
        return out;
    }

    // Each tap by itself, in two parts, and each row by itself.
    std::vector<float> run_in_parts(const FloatKernels& kernels) const {
        std::vector<float> out(rows * (lanes + 3), 7);
        for (std::size_t r = 0; r < rows; ++r)
            for (std::size_t t = 0; t < taps; ++t)
                for (std::size_t first = 0, half = (channels + 1) / 2; first < channels; first += half) {
                    const auto count = std::min(half, channels - first);
                    const bool ends = t + 1 == taps && first + count == channels;
                    kernels.gemm_singles({&pointers[t * rows + r], 1, 1, first, count,
                                          panel.data() + (t * channels + first) * single_panel_width,
                                          t + first == 0 ? start.data() : nullptr, out.data() + r * (lanes + 3), lanes + 3, lanes,
                                          relu && ends});
                }
        return out;
    }

    void check(const std::vector<float>& out) const {
        for (std::size_t r = 0; r < rows; ++r) {
            for (std::size_t n = 0; n < lanes; ++n) {
                double sum = start[n];
                for (std::size_t t = 0; t < taps; ++t)
                    for (std::size_t c = 0; c < channels; ++c)
                        sum += double{pointers[t * rows + r][c]} * panel[(t * channels + c) * single_panel_width + n];
                if (relu) sum = std::max(sum, 0.);
                CHECK(std::abs(out[r * (lanes + 3) + n] - sum) < 1e-4);
            }
            for (std::size_t n = lanes; n < lanes + 3; ++n)
                CHECK(out[r * (lanes + 3) + n] == 7);
        }
    }
};

}  // namespace

TEST_CASE("products in single precision are the same in every tile, and write their lanes alone") {
    std::mt19937 random(1);
    for (const auto& row : kernel_table()) {
        if (!row.runs_here()) continue;
        for (const std::size_t rows : {1, 2, 3, 6, 8, 9, 19})
            for (const std::size_t lanes : {1, 5, 16, 17, 32, 40, 48, 49, 64}) {
                const Product product(random, rows, 1 + rows % 3, 1 + lanes % 23, lanes, rows % 2 == 0);
                const auto out = product.run(*row.floats);
                product.check(out);
                CHECK_MESSAGE(product.run_in_parts(*row.floats) == out, row.name);
            }
    }
}

TEST_CASE("depthwise sums in single precision, and largest elements") {
    std::mt19937 random(2);
    const float infinity = std::numeric_limits<float>::infinity(), none = std::numeric_limits<float>::quiet_NaN();
    for (const auto& row : kernel_table()) {
        if (!row.runs_here()) continue;
        for (const std::size_t channels : {1, 3, 4, 8, 15, 16, 17, 40}) {
            constexpr std::size_t taps = 5;
            auto data = fractions(random, taps * channels + 16);
            data[0] = none;
            const auto weights = fractions(random, taps * channels + 16), start = fractions(random, channels + 16);
            std::vector<const float*> pointers;
            for (std::size_t t = 0; t < taps; ++t)
                pointers.push_back(data.data() + t * channels);
            std::vector<float> sums(channels + 1, 7), largest(channels + 1, 7);
            row.floats->depthwise_singles({pointers.data(), taps, channels, weights.data(), start.data(), sums.data(), true});
            row.floats->max({pointers.data(), taps, channels, largest.data()});
            for (std::size_t c = 0; c < channels; ++c) {
                double sum = start[c];
                float most = -infinity;
                for (std::size_t t = 0; t < taps; ++t) {
                    sum += double{pointers[t][c]} * weights[t * channels + c];
                    if (pointers[t][c] > most) most = pointers[t][c];
                }
                CHECK(largest[c] == most);
                if (c == 0)
                    CHECK(std::isnan(sums[c]));
                else
                    CHECK(std::abs(sums[c] - std::max(sum, 0.)) < 1e-5);
            }
            CHECK(sums[channels] == 7);
            CHECK(largest[channels] == 7);
        }
    }
}

TEST_CASE("the largest element may be one that is too small to be normal, or no number's neighbour") {
    constexpr float infinity = std::numeric_limits<float>::infinity(), none = std::numeric_limits<float>::quiet_NaN(), tiny = 1e-40F;
    const std::vector<std::vector<float>> taps = {{-tiny, tiny, 0, -1, none, -infinity, 3, -3}, {-2 * tiny, 0, tiny, -tiny, -none, none, infinity, -2}};
    const std::vector<float> expected = {-tiny, tiny, tiny, -tiny, -infinity, -infinity, infinity, -2};
    const float* pointers[] = {taps[0].data(), taps[1].data()};
    for (const auto& row : kernel_table()) {
        if (!row.runs_here()) continue;
        std::vector<float> largest(expected.size());
        row.floats->max({pointers, 2, expected.size(), largest.data()});
        CHECK_MESSAGE(largest == expected, row.name);
    }
}
