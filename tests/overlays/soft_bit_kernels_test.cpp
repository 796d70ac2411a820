// Each row's kernels over bits against sums of products, as the compiler of plans uses them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "overlays/soft/weights/bit_form.hpp"
#include "overlays/soft/kernels/byte_kernels_plain.hpp"
#include "overlays/soft/steps/byte_steps.hpp"
#include "overlays/soft/kernels/kernels.hpp"
#include "tests/overlays/draw.hpp"

using namespace fard;
using namespace fard::soft;

namespace {

template <typename Check>
void for_each_bit_row(Check check) {
    for (const auto& row : kernel_table())
        if (row.runs_here() && row.bits && row.bits->runs_here()) check(row);
}

// A window of one line in one plane or two, with weights of -1 and 1, or with zeros.
struct BitCase {
    std::mt19937 random;
    std::size_t rows, lanes, channels, words, first_bit, planes, weight_planes;
    std::vector<std::uint8_t> codes;    // [rows][channels]
    std::vector<std::int32_t> weights;  // [lanes][channels]

    explicit BitCase(std::uint32_t seed) : random(seed) {
        const auto between = [&](int low, int high) {
            return static_cast<std::size_t>(std::uniform_int_distribution<int>(low, high)(random));
        };
        rows = between(1, 20), lanes = between(1, 32), channels = between(1, 300);
        words = (channels + 63) / 64;
        first_bit = between(0, 1), planes = first_bit == 1 ? 1 : between(1, 2), weight_planes = between(1, 2);
        codes = draw<std::uint8_t>(random, rows * channels, 0, (1 << planes) - 1);
        for (auto& code : codes)
            code = static_cast<std::uint8_t>(code << first_bit);
        weights = draw<std::int32_t>(random, lanes * channels, weight_planes == 1 ? 0 : -1, 1);
        for (auto& weight : weights)
            if (weight_planes == 1) weight = weight * 2 - 1;
    }

    std::int32_t sum(std::size_t row, std::size_t lane) const {
        std::int32_t total = 0;
        for (std::size_t k = 0; k < channels; ++k)
            total += codes[row * channels + k] * weights[lane * channels + k];
        return total;
    }

    // [weight_planes][words][lanes], and the ones of each lane times what a code can be.
    void pack(std::vector<std::uint64_t>& panel, std::vector<std::int32_t>& totals) const {
        panel.assign(weight_planes * words * bit_lanes(lanes), 0);
        totals.assign(bit_lanes(lanes), 0);
        for (std::size_t n = 0; n < lanes; ++n)
            for (std::size_t k = 0; k < channels; ++k)
                for (std::size_t p = 0; p < weight_planes; ++p) {
                    const auto weight = weights[n * channels + k];
                    if (weight < 0 || (weight == 0 && p == 1)) continue;
                    panel[(p * words + k / 64) * bit_lanes(lanes) + n] |= std::uint64_t{1} << (k % 64);
                    totals[n] += (1 << planes) - 1;
                }
    }
};

// The codes packed by a row's own kernel, and what multiplies them; `spare_words` behind each plane.
struct BitProduct {
    std::vector<std::uint64_t> bits;
    std::vector<const std::uint64_t*> pointers;
    GemmBits job{};

    BitProduct(const BitCase& each, const Kernels& row, const std::vector<std::uint64_t>& panel,
               const std::vector<std::int32_t>& totals, std::size_t spare_words) {
        const auto plane_words = each.rows * each.words + spare_words;
        bits.assign(each.planes * plane_words, 77);
        row.bits->pack({each.codes.data(), each.rows, each.channels, each.first_bit, each.planes, bits.data(),
                        plane_words});
        for (std::size_t r = 0; r < each.rows; ++r)
            pointers.push_back(bits.data() + r * each.words);
        job = {pointers.data(), each.rows, 1, each.words, 0, each.planes, plane_words};
        job.panel = panel.data(), job.weight_planes = each.weight_planes, job.lanes = each.lanes;
        job.totals = totals.data();
        job.shift = static_cast<int>(each.first_bit) - static_cast<int>(each.weight_planes - 1);
    }
    BitProduct(const BitProduct&) = delete;
};

}  // namespace

TEST_CASE("products of bits are exact, with sums and with codes") {
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
        const BitCase each(seed);
        std::vector<std::uint64_t> panel;
        std::vector<std::int32_t> totals;
        each.pack(panel, totals);
        const std::vector<float> factors(bit_panel_width, 0.37F), offsets(bit_panel_width, 90.0F);
        const Affine affine{factors.data(), offsets.data(), 3, 1, 250};
        std::vector<std::int32_t> expected_sums(bit_lanes(each.lanes) * each.rows);
        std::vector<std::uint8_t> expected(each.rows * each.lanes);
        for (std::size_t r = 0; r < each.rows; ++r)
            for (std::size_t n = 0; n < each.lanes; ++n) {
                expected_sums[(n / 16 * each.rows + r) * 16 + n % 16] = each.sum(r, n);
                expected[r * each.lanes + n] = plain::finish(affine, n, each.sum(r, n));
            }
        for_each_bit_row([&](const Kernels& row) {
            BitProduct product(each, row, panel, totals, 3);
            auto& job = product.job;
            std::vector<std::int32_t> sums(expected_sums.size());
            job.sums = sums.data();
            row.bits->gemm(job);
            for (std::size_t i = 0; i < sums.size(); ++i)  // lanes without a channel have any sum
                if (i / 16 / each.rows * 16 + i % 16 >= each.lanes) sums[i] = 0;
            CHECK_MESSAGE(sums == expected_sums, row.name, " seed ", seed);
            std::vector<std::uint8_t> out(expected.size(), 77);
            job.sums = nullptr, job.affine = affine, job.out = out.data(), job.out_stride = each.lanes;
            row.bits->gemm(job);
            CHECK_MESSAGE(out == expected, row.name, " seed ", seed);
        });
    }
}

TEST_CASE("requantized products of bits are exact, with and without the fixed form") {
    for (std::uint32_t seed = 1; seed <= 100; ++seed) {
        const BitCase each(seed);
        std::vector<std::uint64_t> panel;
        std::vector<std::int32_t> totals;
        each.pack(panel, totals);
        // Multiples of a quarter: many sums lie between two codes, where the fixed form must not be sure.
        const std::vector<double> adds(bit_panel_width, 1), exact(bit_panel_width, 0.25),
            shifts(bit_panel_width, 60);
        const std::vector<float> factors(bit_panel_width, 0.25F), offsets(bit_panel_width, 60.25F);
        const std::vector<float> fixed_factors(bit_panel_width, 0x1p14F),
            fixed_offsets(bit_panel_width, (60.25F + 0.5F + 3) * 65536 + 3);
        Affine affine{factors.data(), offsets.data(), 3,    1, 250, adds.data(),
                      exact.data(),   shifts.data(),  0.49F};
        for (const bool fixed : {false, true}) {
            if (fixed)
                affine.fixed_factors = fixed_factors.data(), affine.fixed_offsets = fixed_offsets.data(),
                affine.fixed_unsure = 6;
            std::vector<std::uint8_t> expected(each.rows * each.lanes);
            for (std::size_t i = 0; i < expected.size(); ++i)
                expected[i] = plain::finish(affine, i % each.lanes, each.sum(i / each.lanes, i % each.lanes));
            for_each_bit_row([&](const Kernels& row) {
                BitProduct product(each, row, panel, totals, 0);
                auto& job = product.job;
                std::vector<std::uint8_t> out(expected.size(), 77);
                job.affine = affine, job.out = out.data(), job.out_stride = each.lanes;
                row.bits->gemm(job);
                CHECK_MESSAGE(out == expected, row.name, " seed ", seed, fixed ? " fixed" : "");
            });
        }
    }
}

TEST_CASE("which layers bits can compute, and which they win") {
    const auto& plain = *select_kernels("plain");
    LinearLayer layer;
    layer.in.kind = Storage::Kind::u8;
    layer.window.channels = 256;
    const auto with = [&](std::int32_t low, std::int32_t high, std::int32_t width) {
        std::mt19937 random(1);
        layer.weights = {draw<std::int32_t>(random, 64 * 256, low, high), 64, 256, 1};
        layer.in.width = width;
        return bit_form(plain, layer);
    };
    CHECK_FALSE(with(-2, 1, 1));
    CHECK_FALSE(with(-1, 1, 4));
    CHECK(with(-1, 1, 3)->name() == "2 x 2 bits");
    CHECK(with(-1, 0, 1)->name() == "2 x 1 bits");
    CHECK(with(1, 1, 1)->name() == "1 x 1 bits");
    CHECK(with(1, 1, 1)->cost < 1);
    CHECK(with(1, 1, 2)->planes == 2);  // codes 0 and 2 only, if the values are -1 and 1
    layer.in_bipolar = true, layer.in.base = -1;
    const auto bipolar = with(1, 1, 2);
    CHECK(bipolar->planes == 1);
    CHECK(bipolar->shift == 1);
    layer.window.pads = {1, 1, 1, 1};  // with zeros
    CHECK_FALSE(with(1, 1, 2));
    layer.window.channels = 3, layer.window.pads = {}, layer.in_bipolar = false;
    layer.weights = {std::vector<std::int32_t>(64 * 3, 1), 64, 3, 1};
    CHECK(bit_form(plain, layer)->cost > 1);  // a word of 64 bits for three channels
}
