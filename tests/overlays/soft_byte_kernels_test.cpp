// Each row's kernels over bytes against a direct computation, and the proof behind Affine.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "overlays/soft/steps/affine_fit.hpp"
#include "overlays/soft/kernels/byte_kernels_plain.hpp"
#include "overlays/soft/weights/byte_weights.hpp"
#include "overlays/soft/kernels/kernels.hpp"
#include "tests/overlays/draw.hpp"
#include "tests/overlays/emulated_amx.hpp"

using namespace fard;
using namespace fard::soft;

namespace {

std::vector<float> draw_floats(std::mt19937& random, std::size_t count, float low, float high) {
    std::uniform_real_distribution<float> uniform(low, high);
    std::vector<float> values(count);
    for (auto& value : values)
        value = uniform(random);
    return values;
}

template <typename Check>
void for_each_byte_row(Check check) {
    for (const auto& row : kernel_table())
        if (row.runs_here() && row.bytes) check(row);
    for (const auto& row : fard::soft::test::emulated_amx_rows())
        check(row);
}

struct GemmCase {
    std::mt19937 random;
    std::size_t rows, lanes, runs, groups, stride;
    std::vector<std::uint8_t> image;
    std::vector<const std::uint8_t*> pointers;
    Weights weights;
    BytePanels panels;
    std::vector<float> factors, offsets;
    std::vector<RowSum> row_sums;

    // `zero_points`: weights lie around another number for each channel, beyond 8 bits.
    explicit GemmCase(std::uint32_t seed, bool zero_points = false) : random(seed) {
        const auto between = [&](int low, int high) {
            return static_cast<std::size_t>(std::uniform_int_distribution<int>(low, high)(random));
        };
        rows = between(1, 23), lanes = between(1, 64), runs = between(1, 3), groups = between(1, 20);
        const auto run = groups * 4 - between(0, 3);
        stride = groups * 4 + between(0, 9);
        image = draw<std::uint8_t>(random, rows * 7 + runs * stride + 64, 0, 255);
        for (std::size_t r = 0; r < rows; ++r)
            pointers.push_back(image.data() + between(0, static_cast<int>(rows) * 7));
        auto values = draw<std::int32_t>(random, lanes * runs * run, -128, 127);
        for (std::size_t n = 0; n < lanes && zero_points; ++n) {
            const auto zero = static_cast<int>(between(0, 256)) - 128;
            for (std::size_t k = 0; k < runs * run; ++k)
                values[n * runs * run + k] -= zero;
        }
        weights = {std::move(values), lanes, runs * run, 1};
        panels = pack_byte_panels(weights, runs).value();
        factors = draw_floats(random, byte_panel_width, -0.01F, 0.01F);
        offsets = draw_floats(random, byte_panel_width, -100, 300);
    }

    std::int32_t sum(std::size_t row, std::size_t lane) const {
        const auto run = weights.depth / runs;
        std::int32_t total = 0;
        for (std::size_t k = 0; k < weights.depth; ++k)
            total += pointers[row][k / run * stride + k % run] * weights.of(lane)[k];
        return total;
    }

    GemmBytes job() const { return {pointers.data(), rows, runs, groups, stride, panels.panel(0, 0), lanes}; }

    // With the row sums as `row` makes them.
    GemmBytes job_with_row_sums(const Kernels& row) {
        auto made = job();
        row_sums.assign(rows, {-1, -1});
        row.bytes->add_rows(
            {pointers.data(), rows, runs, weights.depth / runs, stride, panels.low_bits, row_sums.data()});
        made.row_sums = row_sums.data();
        made.row_factors = panels.factors(0, 0);
        return made;
    }
};

}  // namespace

namespace {

// Constants of Requantize; every other case has powers of two, with which sums often lie exactly between two codes.
struct ExactConstants {
    std::vector<double> adds, factors, offsets;
    std::vector<float> float_factors, float_offsets;
    double largest_offset = 0;

    ExactConstants(std::mt19937& random, std::size_t lanes, bool halves) {
        std::uniform_real_distribution<double> factor(-0.002, 0.01), offset(-3, 100);
        for (std::size_t n = 0; n < lanes; ++n) {
            adds.push_back(std::uniform_int_distribution<int>(-2000, 2000)(random));
            factors.push_back(halves ? std::ldexp(1, -static_cast<int>(random() % 5) - 5) : factor(random));
            offsets.push_back(halves ? 0 : offset(random));
            float_factors.push_back(static_cast<float>(factors[n]));
            float_offsets.push_back(static_cast<float>(adds[n] * factors[n] + offsets[n]));
            largest_offset = std::max(largest_offset, std::abs(static_cast<double>(float_offsets[n])));
        }
    }

    Affine affine() const {
        const double t = 300;  // zero 10, codes 2 .. 250
        const double error = (3 * t + 4 * largest_offset) * 0x1p-24;
        return {float_factors.data(), float_offsets.data(),           10, 2, 250, adds.data(), factors.data(),
                offsets.data(),       static_cast<float>(0.5 - error)};
    }

    std::uint8_t code(std::int32_t sum, std::size_t lane) const {
        const double product = (sum + adds[lane]) * factors[lane];
        const double t = product + offsets[lane];
        return static_cast<std::uint8_t>(std::clamp(std::nearbyint(t) + 10, 2., 250.));
    }
};

}  // namespace

TEST_CASE("tiles of u8 x s8 multiply exactly, with sums and with codes") {
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
        const GemmCase gemm(seed);
        const auto vectors = vectors_of(gemm.lanes);
        const Affine affine{gemm.factors.data(), gemm.offsets.data(),
                            static_cast<std::int16_t>(seed % 40 - 20), static_cast<std::uint8_t>(seed % 3),
                            static_cast<std::uint8_t>(255 - seed % 100)};
        const std::size_t out_stride = gemm.lanes + seed % 5;
        std::vector<std::int32_t> expected_sums(vectors * gemm.rows * vector_width);
        std::vector<std::uint8_t> expected(gemm.rows * out_stride, 77);
        for (std::size_t r = 0; r < gemm.rows; ++r)
            for (std::size_t n = 0; n < gemm.lanes; ++n) {
                const auto sum = gemm.sum(r, n);
                expected_sums[(n / 16 * gemm.rows + r) * 16 + n % 16] = sum;
                const float real = std::fma(static_cast<float>(sum), affine.factors[n], affine.offsets[n]);
                expected[r * out_stride + n] = static_cast<std::uint8_t>(std::clamp(
                    static_cast<int>(std::nearbyint(real)) + affine.zero, +affine.low, +affine.high));
            }
        for_each_byte_row([&](const Kernels& row) {
            auto job = gemm.job();
            std::vector<std::int32_t> sums(expected_sums.size(), -1);
            job.sums = sums.data();
            row.bytes->gemm(job);
            CHECK_MESSAGE(sums == expected_sums, row.name, " seed ", seed);
            std::vector<std::uint8_t> out(expected.size(), 77);
            job.sums = nullptr, job.affine = affine, job.out = out.data(), job.out_stride = out_stride;
            row.bytes->gemm(job);
            CHECK_MESSAGE(out == expected, row.name, " seed ", seed);
        });
    }
}

TEST_CASE("products are added in 16 bits as long as they fit, and no longer") {
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
        GemmCase gemm(seed);
        const auto between = [&](int low, int high) {
            return std::uniform_int_distribution<int>(low, high)(gemm.random);
        };
        const int code = between(1, 255), weight = between(1, std::min(127, 32767 / (2 * code)));
        const bool extreme = seed % 2 == 0;  // every product the largest
        for (auto& each : gemm.image)
            each = static_cast<std::uint8_t>(extreme ? code : each % (code + 1));
        const auto depth = gemm.weights.depth;
        gemm.weights = {
            draw<std::int32_t>(gemm.random, gemm.lanes * depth, extreme ? weight : -weight, weight),
            gemm.lanes, depth, 1};
        gemm.panels = pack_byte_panels(gemm.weights, gemm.runs).value();
        std::vector<std::int32_t> expected(vectors_of(gemm.lanes) * gemm.rows * vector_width);
        for (std::size_t r = 0; r < gemm.rows; ++r)
            for (std::size_t n = 0; n < gemm.lanes; ++n)
                expected[(n / 16 * gemm.rows + r) * 16 + n % 16] = gemm.sum(r, n);
        for_each_byte_row([&](const Kernels& row) {
            auto job = gemm.job();
            std::vector<std::int32_t> sums(expected.size(), -1);
            job.sums = sums.data();
            job.narrow_groups = static_cast<std::size_t>(32767 / (2 * code * weight));
            row.bytes->gemm(job);
            CHECK_MESSAGE(sums == expected, row.name, " seed ", seed);
        });
    }
}

TEST_CASE("requantized tiles are exact, also between two codes") {
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
        GemmCase gemm(seed);
        const ExactConstants constants(gemm.random, byte_panel_width, seed % 2 == 0);
        std::vector<std::uint8_t> expected;
        for (std::size_t r = 0; r < gemm.rows; ++r)
            for (std::size_t n = 0; n < gemm.lanes; ++n)
                expected.push_back(constants.code(gemm.sum(r, n), n));
        for_each_byte_row([&](const Kernels& row) {
            auto job = gemm.job();
            std::vector<std::uint8_t> out(expected.size(), 77);
            job.affine = constants.affine(), job.out = out.data(), job.out_stride = gemm.lanes;
            row.bytes->gemm(job);
            CHECK_MESSAGE(out == expected, row.name, " seed ", seed);
        });
    }
}

TEST_CASE("weights with zero points of any value are multiplied exactly") {
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
        GemmCase gemm(seed, true);
        REQUIRE_FALSE(gemm.panels.row_factors.empty());
        if (seed % 5 == 0) std::ranges::fill(gemm.image, 255);
        const ExactConstants constants(gemm.random, byte_panel_width, seed % 2 == 0);
        std::vector<std::int32_t> expected_sums(vectors_of(gemm.lanes) * gemm.rows * vector_width);
        std::vector<std::uint8_t> expected;
        for (std::size_t r = 0; r < gemm.rows; ++r)
            for (std::size_t n = 0; n < gemm.lanes; ++n) {
                expected_sums[(n / 16 * gemm.rows + r) * 16 + n % 16] = gemm.sum(r, n);
                expected.push_back(constants.code(gemm.sum(r, n), n));
            }
        for_each_byte_row([&](const Kernels& row) {
            auto job = gemm.job_with_row_sums(row);
            std::vector<std::int32_t> sums(expected_sums.size(), -1);
            job.sums = sums.data();
            row.bytes->gemm(job);
            CHECK_MESSAGE(sums == expected_sums, row.name, " seed ", seed);
            std::vector<std::uint8_t> out(expected.size(), 77);
            job.sums = nullptr;
            job.affine = constants.affine(), job.out = out.data(), job.out_stride = gemm.lanes;
            row.bytes->gemm(job);
            CHECK_MESSAGE(out == expected, row.name, " seed ", seed);
        });
    }
}

TEST_CASE("the bytes that runs leave over may make a group of their own") {
    for (std::uint32_t seed = 1; seed <= 100; ++seed) {
        GemmCase gemm(seed);
        gemm.runs = 2 + seed % 3;
        const std::size_t run = seed % 4 * 4 + 1;
        gemm.stride = run + seed % 7;
        gemm.image = draw<std::uint8_t>(gemm.random, gemm.rows * 7 + gemm.runs * gemm.stride + 64, 0, 255);
        for (std::size_t r = 0; r < gemm.rows; ++r)
            gemm.pointers[r] = gemm.image.data() + r * 7;
        const auto depth = gemm.runs * run;
        const int zero = seed % 3 == 0 ? static_cast<int>(seed) : 0;
        gemm.weights = {draw<std::int32_t>(gemm.random, gemm.lanes * depth, -128 - zero, 127 - zero),
                        gemm.lanes, depth, 1};
        gemm.panels = pack_byte_panels(gemm.weights, gemm.runs, true).value();
        REQUIRE(gemm.panels.tails);
        const ExactConstants constants(gemm.random, byte_panel_width, seed % 2 == 0);
        std::vector<std::uint8_t> expected;
        for (std::size_t r = 0; r < gemm.rows; ++r)
            for (std::size_t n = 0; n < gemm.lanes; ++n)
                expected.push_back(constants.code(gemm.sum(r, n), n));
        for_each_byte_row([&](const Kernels& row) {
            if (!row.bytes->tails) return;
            auto job = zero != 0 ? gemm.job_with_row_sums(row) : gemm.job();
            job.run_groups = gemm.panels.run_groups;
            std::vector<std::uint8_t> out(expected.size(), 77);
            job.tails = true, job.affine = constants.affine(), job.out = out.data(),
            job.out_stride = gemm.lanes;
            row.bytes->gemm(job);
            CHECK_MESSAGE(out == expected, row.name, " seed ", seed);
        });
    }
    CHECK_FALSE(pack_byte_panels({std::vector<std::int32_t>(18), 1, 18, 1}, 3, true)->tails);
}

TEST_CASE("three rows of two-bit codes come out of two products") {
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
        GemmCase gemm(seed);
        for (auto& code : gemm.image)
            code %= 4;
        const auto depth = gemm.weights.depth;
        const int limit = std::min(127, static_cast<int>(4095 / 3 / depth));  // the width of all sums
        gemm.weights = {draw<std::int32_t>(gemm.random, gemm.lanes * depth, -limit, limit), gemm.lanes, depth,
                        1};
        gemm.panels = pack_byte_panels(gemm.weights, gemm.runs).value();
        std::vector<std::int32_t> least(byte_panel_width);
        const auto bounds = sum_bounds(gemm.weights, {0, 3});
        for (std::size_t n = 0; n < gemm.lanes; ++n)
            least[n] = static_cast<std::int32_t>(bounds[n].min);
        const Affine affine{gemm.factors.data(), gemm.offsets.data(), 1, 2, 250};
        std::vector<std::uint8_t> expected(gemm.rows * gemm.lanes);
        for (std::size_t r = 0; r < gemm.rows; ++r)
            for (std::size_t n = 0; n < gemm.lanes; ++n)
                expected[r * gemm.lanes + n] = plain::finish(affine, n, gemm.sum(r, n));
        const auto groups = gemm.runs * gemm.groups;
        for_each_byte_row([&](const Kernels& row) {
            std::vector<std::uint8_t> packed((gemm.rows + 2) / 3 * 2 * groups * 4), out(expected.size());
            row.bytes->pack_triples(
                {gemm.pointers.data(), gemm.rows, gemm.runs, gemm.groups, gemm.stride, packed.data()});
            row.bytes->gemm_triples({packed.data(), gemm.rows, groups, gemm.panels.panel(0, 0), least.data(),
                                     gemm.lanes, affine, out.data(), gemm.lanes});
            CHECK_MESSAGE(out == expected, row.name, " seed ", seed);
            std::ranges::fill(out, 77);
            row.bytes->gemm_triples({packed.data(), gemm.rows, groups, gemm.panels.panel(0, 0), least.data(),
                                     gemm.lanes, affine, out.data(), gemm.lanes,
                                     static_cast<std::size_t>(32767 / (2 * 195 * std::max(limit, 1)))});
            CHECK_MESSAGE(out == expected, row.name, " narrow, seed ", seed);
        });
    }
}

TEST_CASE("depthwise rows of three columns agree with the plain ones") {
    std::mt19937 random(2);
    for (const std::ptrdiff_t channels : {1, 15, 32, 33, 64, 65, 96, 100, 160})
        for (const std::ptrdiff_t stride : {1, 2, 3})
            for (const std::size_t height : {1u, 3u, 4u}) {
                const std::ptrdiff_t width = 7, first_x = -1;
                const auto count = static_cast<std::size_t>((width + 2 - 3) / stride + 1);
                const auto line_bytes = static_cast<std::size_t>(width * channels);
                const auto image = draw<std::uint8_t>(random, 4 * line_bytes + 64, 0, 255);
                const std::vector<std::uint8_t> outside(static_cast<std::size_t>(channels) + 64, 9);
                const std::uint8_t* lines[4];
                for (std::size_t i = 0; i < 4; ++i)
                    lines[i] = image.data() + i * line_bytes;
                const auto used = static_cast<std::size_t>(channels);
                const int most = channels % 2 == 0 ? 127 : 255;  // the others take two or three planes
                const Weights weights{draw<std::int32_t>(random, used * height * 3, -most, most), used,
                                      height * 3, used};
                const auto packed = pack_depthwise3(weights).value();
                const auto lanes = packed.weights.size() / packed.planes / 12;
                const auto factors = draw_floats(random, lanes, -0.01F, 0.01F);
                const auto offsets = draw_floats(random, lanes, -100, 300);
                std::vector<std::uint8_t> expected(count * used, 77);
                Depthwise3 job{lines,
                               outside.data(),
                               width,
                               channels,
                               first_x,
                               stride,
                               count,
                               packed.weights.data(),
                               {factors.data(), offsets.data(), 3, 3, 200},
                               expected.data()};
                job.planes = packed.planes;
                if (packed.planes > 1) job.block_planes = packed.block_planes.data();
                plain::depthwise3(job);
                for_each_byte_row([&](const Kernels& row) {
                    for (const bool three_rows : {false, height <= 3}) {
                        std::vector<std::uint8_t> out(expected.size(), 78);
                        job.out = out.data(), job.three_rows = three_rows;
                        row.bytes->depthwise3(job);
                        CHECK_MESSAGE(out == expected, row.name, " channels ", channels, " stride ", stride);
                    }
                });
                const ExactConstants constants(random, lanes, stride == 2);
                job.affine = constants.affine(), job.out = expected.data();
                plain::depthwise3(job);
                for_each_byte_row([&](const Kernels& row) {
                    std::vector<std::uint8_t> out(expected.size(), 78);
                    job.out = out.data();
                    row.bytes->depthwise3(job);
                    CHECK_MESSAGE(out == expected, row.name, " requantized, channels ", channels);
                });
            }
}

TEST_CASE("thresholds at equal distances become an affine function, equal for every sum") {
    std::mt19937 random(3);
    int fitted = 0;
    for (int round = 0; round < 300; ++round) {
        const model::Range sums{-std::uniform_int_distribution<int>(0, 3000)(random),
                                std::uniform_int_distribution<int>(0, 3000)(random)};
        const auto steps = std::uniform_int_distribution<std::size_t>(0, 40)(random);
        const double distance = std::uniform_real_distribution<double>(0.2, 200)(random);
        const double start = std::uniform_real_distribution<double>(-2000, 2000)(random);
        const double unevenness = round % 3 == 0 ? distance : 0;
        std::vector<std::int64_t> passing;
        for (std::size_t t = 0; t < steps; ++t) {
            const double jitter = std::uniform_real_distribution<double>(0, 1)(random) * unevenness;
            passing.push_back(std::clamp(
                static_cast<std::int64_t>(std::ceil(start + distance * static_cast<double>(t) + jitter)),
                sums.min, sums.max + 1));
        }
        std::ranges::sort(passing);
        const auto channel = fit_affine(passing, sums);
        if (unevenness == 0) CHECK(channel);
        if (!channel) continue;
        ++fitted;
        const Affine affine{&channel->factor, &channel->offset, 0, 0, static_cast<std::uint8_t>(steps)};
        for (auto x = sums.min; x <= sums.max; ++x)
            REQUIRE(plain::finish(affine, 0, static_cast<std::int32_t>(x)) ==
                    std::ranges::count_if(passing, [&](auto p) { return p <= x; }));
    }
    CHECK(fitted >= 200);
}

TEST_CASE("thresholds far from any line are not taken for one") {
    const std::vector<std::int64_t> passing{0, 1, 2, 500, 501, 502};
    CHECK_FALSE(fit_affine(passing, {-1000, 1000}));
}

TEST_CASE("weights beyond eight bits are packed as bytes where a shift or some planes make them up") {
    CHECK(pack_byte_panels({{128, 1}, 1, 2, 1}, 1)->row_factors[0] == 1);
    CHECK(pack_byte_panels({{-129, 1}, 1, 2, 1}, 1)->row_factors[0] == -1);
    CHECK(pack_byte_panels({{-128, 127}, 1, 2, 1}, 1)->row_factors.empty());
    CHECK_FALSE(pack_byte_panels({{-128, 128}, 1, 2, 1}, 1));
    CHECK_FALSE(pack_byte_panels({std::vector<std::int32_t>(1 << 15, 255), 1, 1 << 15, 1}, 1));  // row sums
    CHECK(pack_byte_panels({std::vector<std::int32_t>(1 << 15, 255), 1, 1 << 15, 1}, 1, false, 15));
    CHECK(pack_depthwise3({{0, -128, 127}, 1, 3, 1})->planes == 1);
    CHECK(pack_depthwise3({{0, -129, 0}, 1, 3, 1})->planes == 2);
    CHECK(pack_depthwise3({{0, 255, 0}, 1, 3, 1})->planes == 3);
    CHECK_FALSE(pack_depthwise3({{0, 400, 0}, 1, 3, 1}));
}

TEST_CASE("pools agree with a direct computation") {
    std::mt19937 random(4);
    for (const std::ptrdiff_t channels : {1, 16, 63, 64, 65, 130})
        for (const std::ptrdiff_t stride : {1, 2, 3})
            for (const std::ptrdiff_t dilation : {1, 2}) {
                const std::ptrdiff_t width = 9, columns = 3, first_x = -2;
                const auto used = static_cast<std::size_t>(channels);
                const auto image = draw<std::uint8_t>(random, 2 * 9 * used, 0, 255);
                const std::uint8_t* lines[] = {image.data(), image.data() + 9 * used};
                const std::size_t count = 4;
                std::vector<std::uint8_t> expected(count * used);
                std::vector<std::int32_t> expected_sums(used, -5);
                for (std::size_t i = 0; i < count; ++i)
                    for (std::ptrdiff_t k = 0; k < columns; ++k) {
                        const auto x = first_x + static_cast<std::ptrdiff_t>(i) * stride + k * dilation;
                        if (x < 0 || x >= width) continue;
                        for (const auto* line : lines)
                            for (std::size_t c = 0; c < used; ++c)
                                expected[i * used + c] = std::max(
                                    expected[i * used + c], line[static_cast<std::size_t>(x) * used + c]);
                    }
                for (std::size_t i = 0; i < image.size(); ++i)
                    expected_sums[i % used] += image[i];
                for (const auto& row : kernel_table()) {
                    if (!row.runs_here()) continue;
                    std::vector<std::uint8_t> out(expected.size(), 77);
                    row.max_row(
                        {lines, 2, width, channels, first_x, stride, columns, dilation, count, out.data()});
                    CHECK_MESSAGE(out == expected, row.name);
                    std::vector<std::int32_t> sums(used, -5);
                    row.pixel_sums({image.data(), 18, used, sums.data()});
                    CHECK_MESSAGE(sums == expected_sums, row.name);
                }
            }
}
