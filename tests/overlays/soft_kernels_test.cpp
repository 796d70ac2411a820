// Each kernel against the plain one, and the packing of small integers against the wire form's definition.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/data_type.hpp"
#include "overlays/soft/dense_bits.hpp"
#include "overlays/soft/kernels/kernels.hpp"
#include "overlays/soft/weights/weights.hpp"
#include "tests/overlays/draw.hpp"

using namespace fard;
using namespace fard::soft;

namespace {

const Kernels& plain_row() {
    return kernel_table().back();
}

template <typename Check>
void for_each_fast_row(Check check) {
    for (const auto& row : kernel_table())
        if (row.runs_here() && row.name != "plain") check(row);
}

}  // namespace

TEST_CASE("the plain kernels are the last of the table and run everywhere") {
    CHECK(plain_row().name == "plain");
    CHECK(plain_row().runs_here());
    CHECK(select_kernels("plain") == &plain_row());
    CHECK(select_kernels("abacus") == nullptr);
    CHECK(select_kernels() != nullptr);
}

TEST_CASE("matrix kernels multiply exactly") {
    std::mt19937 random(1);
    const std::size_t depth = 80;
    Weights weights{draw<std::int32_t>(random, panel_width * depth, -8, 7), panel_width, depth, 1};
    for (const int largest : {1, 15, 255}) {
        const auto packed = pack_weights(weights, {0, largest}).value();
        REQUIRE(packed.bytes);
        for (std::size_t rows = 1; rows <= 14; ++rows) {
            const auto a = draw<std::uint8_t>(random, rows * depth, 0, largest);
            std::vector<std::int32_t> expected(rows * panel_width);
            for (std::size_t r = 0; r < rows; ++r)
                for (std::size_t n = 0; n < panel_width; ++n)
                    for (std::size_t k = 0; k < depth; ++k)
                        expected[r * panel_width + n] += a[r * depth + k] * weights.of(n)[k];
            for (const auto& row : kernel_table()) {
                if (!row.runs_here()) continue;
                std::vector<std::int32_t> out(rows * panel_width, -1);
                row.gemm_u8({a.data(), depth, rows, packed.u8_panels.data(), packed.segment_ends.data(),
                             packed.segment_ends.size(), out.data()});
                CHECK_MESSAGE(out == expected, row.name);
            }
        }
    }
}

TEST_CASE("16-bit matrix kernels multiply exactly") {
    std::mt19937 random(2);
    const std::size_t depth = 30;
    Weights weights{draw<std::int32_t>(random, panel_width * depth, -32767, 32767), panel_width, depth, 1};
    const auto packed = pack_weights(weights, {-32768, 32767}).value();
    REQUIRE_FALSE(packed.bytes);
    for_each_fast_row([&](const Kernels& row) {
        for (std::size_t rows = 1; rows <= 14; ++rows) {
            const auto a = draw<std::int16_t>(random, rows * depth, -32768, 32767);
            std::vector<std::int32_t> expected(rows * panel_width), out(rows * panel_width);
            GemmI16 job{a.data(), depth, rows, packed.i16_panels.data(), depth / 2, expected.data()};
            plain_row().gemm_i16(job);
            job.out = out.data();
            row.gemm_i16(job);
            CHECK_MESSAGE(out == expected, row.name);
        }
    });
}

TEST_CASE("sums are requantized exactly, also between two codes") {
    std::mt19937 random(6);
    const std::size_t rows = 40;
    for (const std::size_t lanes : {1u, 7u, 16u})
        for (const bool halves : {false, true}) {
            const auto sums = draw<std::int32_t>(random, rows * panel_width, -20000, 20000);
            std::vector<double> adds, factors, offsets;
            std::vector<float> float_factors, float_offsets;
            for (std::size_t n = 0; n < panel_width; ++n) {
                adds.push_back(std::uniform_int_distribution<int>(-2000, 2000)(random));
                factors.push_back(halves ? std::ldexp(1, -6) : 0.01 + 0.001 * static_cast<double>(n));
                offsets.push_back(halves ? 0 : 3.3);
                float_factors.push_back(static_cast<float>(factors[n]));
                float_offsets.push_back(static_cast<float>(adds[n] * factors[n] + offsets[n]));
            }
            Affine affine{float_factors.data(), float_offsets.data(), 10,     2, 250, adds.data(),
                          factors.data(),       offsets.data(),       0.4995F};
            std::vector<std::uint8_t> exact(rows * lanes), rounded(rows * lanes);
            for (std::size_t r = 0; r < rows; ++r)
                for (std::size_t n = 0; n < lanes; ++n) {
                    const auto sum = sums[r * panel_width + n];
                    const double product = (sum + adds[n]) * factors[n];
                    const float t = std::fma(static_cast<float>(sum), float_factors[n], float_offsets[n]);
                    exact[r * lanes + n] = static_cast<std::uint8_t>(
                        std::clamp(std::nearbyint(product + offsets[n]) + 10, 2., 250.));
                    rounded[r * lanes + n] =
                        static_cast<std::uint8_t>(std::clamp(std::nearbyint(t) + 10, 2.F, 250.F));
                }
            for (const auto& row : kernel_table()) {
                if (!row.runs_here()) continue;
                std::vector<std::uint8_t> out(rows * lanes, 77);
                row.finish16({sums.data(), rows, affine, out.data(), lanes, lanes});
                CHECK_MESSAGE(out == exact, row.name);
                auto by_float = affine;
                by_float.exact_adds = by_float.exact_factors = by_float.exact_offsets = nullptr;
                by_float.sure = 0.5F;
                row.finish16({sums.data(), rows, by_float, out.data(), lanes, lanes});
                CHECK_MESSAGE(out == rounded, row.name);
            }
        }
}

TEST_CASE("thresholds are counted exactly, with all their number") {
    std::mt19937 random(3);
    for (const std::size_t steps : {0u, 1u, 2u, 3u, 15u, 32u, 33u, 255u})
        for (const std::size_t lanes : {1u, 7u, 16u}) {
            const std::size_t rows = 5, stride = lanes + 3;
            auto sums = draw<std::int32_t>(random, rows * panel_width, -300, 300);
            auto limits = draw<std::int16_t>(random, steps * panel_width, -300, 300);
            for (std::size_t n = 0; n < panel_width; ++n) {
                std::vector<std::int16_t> column;
                for (std::size_t t = 0; t < steps; ++t)
                    column.push_back(limits[t * panel_width + n]);
                std::ranges::sort(column);
                for (std::size_t t = 0; t < steps; ++t)
                    limits[t * panel_width + n] = column[t];
            }
            const std::vector<std::int32_t> wide(limits.begin(), limits.end());
            const std::uint8_t first = steps < 200 ? 2 : 0;
            std::vector<std::uint8_t> expected(rows * stride, 77);
            for (std::size_t r = 0; r < rows; ++r)
                for (std::size_t n = 0; n < lanes; ++n) {
                    expected[r * stride + n] = first;
                    for (std::size_t t = 0; t < steps; ++t)
                        expected[r * stride + n] += sums[r * panel_width + n] > wide[t * panel_width + n];
                }
            for (const auto& row : kernel_table()) {
                if (!row.runs_here()) continue;
                std::vector<std::uint8_t> out(rows * stride, 77);
                row.count32({sums.data(), rows, wide.data(), steps, first, out.data(), stride, lanes});
                CHECK_MESSAGE(out == expected, row.name);
                std::ranges::fill(out, std::uint8_t{77});
                row.count16({sums.data(), rows, limits.data(), steps, first, out.data(), stride, lanes});
                CHECK_MESSAGE(out == expected, row.name);
            }
        }
}

TEST_CASE("depthwise kernels agree with the plain ones") {
    std::mt19937 random(4);
    for (const std::size_t channels : {1u, 8u, 15u, 16u, 17u, 48u})
        for (const std::size_t taps : {1u, 9u, 25u}) {
            const std::size_t padded = (channels + 15) / 16 * 16;
            const auto image = draw<std::uint8_t>(random, taps * padded, 0, 15);
            std::vector<const std::uint8_t*> pointers;
            for (std::size_t t = 0; t < taps; ++t)
                pointers.push_back(image.data() + t * padded);
            const auto weights = draw<std::int16_t>(random, padded * taps, -8, 7);
            auto limits = std::vector<std::int16_t>(padded * 3);
            for (std::size_t i = 0; i < limits.size(); ++i)
                limits[i] = static_cast<std::int16_t>(static_cast<int>(i / panel_width % 3) * 50 - 60);
            std::vector<std::uint8_t> expected(channels), out(channels);
            std::vector<std::int32_t> expected_sums(padded), sums(padded);
            Depthwise16 narrow{pointers.data(), taps, weights.data(), channels, limits.data(), 3, 1,
                               expected.data()};
            Depthwise32 wide{pointers.data(), taps, weights.data(), channels, expected_sums.data()};
            plain_row().depthwise16(narrow);
            plain_row().depthwise32(wide);
            narrow.out = out.data();
            wide.out = sums.data();
            for_each_fast_row([&](const Kernels& row) {
                row.depthwise16(narrow);
                row.depthwise32(wide);
                CHECK_MESSAGE(out == expected, row.name);
                CHECK_MESSAGE(std::equal(sums.begin(), sums.begin() + static_cast<std::ptrdiff_t>(channels),
                                         expected_sums.begin()),
                              row.name);
            });
        }
}

TEST_CASE("weights go into bytes only where no 16-bit sum can overflow") {
    const Weights small{std::vector<std::int32_t>(400, 7), 1, 400, 1};
    const auto packed = pack_weights(small, {0, 15}).value();
    CHECK(packed.bytes);
    // Each half of a group of four adds 2 * 7 * 15 = 210: 156 of them stay within 32767, so all 100 do.
    CHECK(packed.segment_ends == std::vector<std::uint32_t>{100});
    const auto tight = pack_weights(small, {0, 255}).value();  // 3570 each: nine of them
    CHECK(tight.bytes);
    CHECK(tight.segment_ends[0] == 9);
    CHECK(tight.segment_ends.back() == 100);
    const Weights large{std::vector<std::int32_t>(4, 127), 1, 4, 1};
    CHECK_FALSE(pack_weights(large, {0, 255})->bytes);  // 2 * 127 * 255 saturates
    CHECK_FALSE(pack_weights(large, {-1, 15})->bytes);
    const Weights huge{{40000}, 1, 1, 1};
    CHECK_FALSE(pack_weights(huge, {0, 1}));
    CHECK_FALSE(pack_weights(small, {0, 40000}));
}

TEST_CASE("dense packing is the wire form") {
    std::mt19937 random(5);
    for (int bits = 1; bits <= 8; ++bits)
        for (const std::size_t count : {0u, 1u, 7u, 8u, 9u, 64u, 77u}) {
            const auto type = DataType::uint(bits);
            const auto values = draw<std::int32_t>(random, count, 0, (1 << bits) - 1);
            std::vector<std::byte> wire(type.wire_bytes(count)), out(type.wire_bytes(count));
            REQUIRE(pack(type, values, wire));
            std::vector<std::uint8_t> codes(count);
            spread_bits(wire, bits, codes);
            CHECK(std::equal(codes.begin(), codes.end(), values.begin(), values.end()));
            for (auto& code : codes)
                code = static_cast<std::uint8_t>(code - 3);
            gather_bits(codes, 3, bits, out);
            CHECK(out == wire);
        }
}
