// The fixed form of a requantization (Affine): what it gives where it is sure is what the exact form gives, for every sum.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "overlays/soft/kernels/byte_kernels_plain.hpp"
#include "overlays/soft/weights/byte_weights.hpp"
#include "overlays/soft/steps/finish.hpp"
#include "tests/overlays/draw.hpp"

using namespace fard;
using namespace fard::soft;

namespace {

// A matrix product of 64 channels with a requantization behind it. Every third case multiplies by powers of two, with
// which sums often lie exactly between two codes.
struct Case {
    std::mt19937 random;
    LinearLayer layer;
    model::RequantizeAttributes requantize;
    std::vector<model::Range> sums;

    explicit Case(std::uint32_t seed) : random(seed) {
        constexpr std::size_t channels = byte_panel_width, depth = 3;
        const auto between = [&](double low, double high) {
            return std::uniform_real_distribution<double>(low, high)(random);
        };
        const bool halves = seed % 3 == 0;
        const double base = std::ldexp(between(1, 2), -static_cast<int>(random() % 9) - 1);
        requantize.operands.push_back({{}, static_cast<std::int32_t>(random() % 9) - 4});
        for (std::size_t c = 0; c < channels; ++c) {
            const double multiplier =
                halves ? std::ldexp(1, -static_cast<int>(random() % 9) - 1) : base * between(0.5, 2);
            requantize.operands[0].multiplier.push_back(c % 16 == 15 ? -multiplier : multiplier);
            if (seed % 2 == 0) requantize.offset.push_back(halves ? 0.5 : between(-200, 200));
        }
        requantize.zero_point = static_cast<std::int32_t>(random() % 256);
        const auto low = static_cast<std::int64_t>(random() % 3);
        requantize.range = {low, 255 - low * 40};
        requantize.axis = 1;
        layer.in.kind = layer.out.kind = Storage::Kind::u8;
        layer.in.width = layer.out.width = 255;
        layer.weights = {draw<std::int32_t>(random, channels * depth, -128, 127), channels, depth, 1};
        layer.bias.assign(channels, static_cast<std::int64_t>(random() % 1000));
        layer.requantize = &requantize;
        layer.window.channels = depth;
        sums = sum_bounds(layer.weights, {0, 255});
    }
};

struct Fixed {
    std::int32_t bits;
    Fixed(const Affine& affine, std::size_t lane, std::int64_t sum)
        : bits(static_cast<std::int32_t>(std::lrint(
              std::fma(static_cast<float>(sum), affine.fixed_factors[lane], affine.fixed_offsets[lane])))) {}
    bool sure(const Affine& affine) const { return (bits & 0xffff) >= affine.fixed_unsure; }
    std::uint8_t code(const Affine& affine) const {
        return static_cast<std::uint8_t>(std::clamp(bits >> 16, +affine.low, +affine.high));
    }
};

AffineLanes lanes_in_order(const AffineTable& table) {
    AffineLanes lanes(table, byte_panel_width);
    for (std::size_t c = 0; c < table.channels.size(); ++c)
        lanes.place(table, c, c);
    return lanes;
}

}  // namespace

TEST_CASE("where the fixed form is sure it is exact, and it seldom is not") {
    int formed = 0;
    for (std::uint32_t seed = 1; seed <= 60; ++seed) {
        const Case each(seed);
        const auto finish = make_finish(each.layer, each.sums);
        REQUIRE(finish);
        const auto lanes = lanes_in_order(*finish->requantized);
        const auto affine = lanes.from(0);
        if (!affine.fixed_factors) continue;
        ++formed;
        std::size_t wrong = 0, unsure = 0, all = 0;
        for (std::size_t c = 0; c < each.sums.size(); c += 3)
            for (auto sum = each.sums[c].min; sum <= each.sums[c].max; ++sum, ++all) {
                const Fixed fixed(affine, c, sum);
                unsure += fixed.sure(affine) ? 0 : 1;
                if (fixed.sure(affine))
                    wrong += fixed.code(affine) != plain::finish(affine, c, static_cast<std::int32_t>(sum));
            }
        CHECK_MESSAGE(wrong == 0, "seed ", seed);
        if (seed % 3 != 0) CHECK(unsure * 1000 < all);
    }
    CHECK(formed >= 40);
}

TEST_CASE("a multiplier with which the fixed form would leave 32 bits has none") {
    Case each(1);
    each.requantize.operands[0].multiplier.assign(byte_panel_width, 2.5);
    const auto finish = make_finish(each.layer, each.sums);
    REQUIRE(finish);
    CHECK(finish->requantized->fixed.empty());
}

TEST_CASE("kernels that take the fixed form give what the exact one does") {
    for (std::uint32_t seed = 1; seed <= 60; ++seed) {
        Case each(seed);
        const auto finish = make_finish(each.layer, each.sums);
        REQUIRE(finish);
        const auto lanes = lanes_in_order(*finish->requantized);
        const std::size_t rows = 1 + seed % 20, used = 1 + seed * 7 % 64;
        const auto image = draw<std::uint8_t>(each.random, rows * 3 + 64, 0, 255);
        std::vector<const std::uint8_t*> pointers;
        for (std::size_t r = 0; r < rows; ++r)
            pointers.push_back(image.data() + r * 3);
        // A panel has lanes for its channels only.
        const Weights weights({each.layer.weights.all().begin(),
                               each.layer.weights.all().begin() + static_cast<std::ptrdiff_t>(used * 3)},
                              used, 3, 1);
        const auto some = pack_byte_panels(weights, 1).value();
        GemmBytes job{pointers.data(), rows, 1, 1, 0, some.panel(0, 0), used};
        job.affine = lanes.from(0), job.out_stride = used;
        std::vector<std::uint8_t> expected(rows * used), out(rows * used);
        job.out = expected.data();
        plain::gemm(job);
        for (const auto& row : kernel_table()) {
            if (!row.runs_here() || !row.bytes) continue;
            job.out = out.data();
            row.bytes->gemm(job);
            CHECK_MESSAGE(out == expected, row.name, " seed ", seed);
        }
    }
}
