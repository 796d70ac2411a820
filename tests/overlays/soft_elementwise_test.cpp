// Each row's loops over elements against the scalar forms that define their results, and against the formulas.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "overlays/soft/kernels/elementwise.hpp"
#include "overlays/soft/kernels/kernels.hpp"
#include "tests/overlays/draw.hpp"

using namespace fard;
using namespace fard::soft;

namespace {

template <typename Check>
void for_each_row(Check check) {
    for (const auto& row : kernel_table())
        if (row.runs_here()) check(row);
}

// Elements of a random kind.
struct Operand {
    std::vector<std::uint8_t> bytes;
    std::vector<std::int16_t> words;
    std::vector<std::int32_t> integers;
    Elements elements;

    Operand(std::mt19937& random, std::size_t count, int most) {
        switch (random() % 3) {
            case 0:
                bytes = draw<std::uint8_t>(random, count, 0, std::min(most, 255));
                elements = {bytes.data(), Elements::Kind::u8};
                break;
            case 1:
                words = draw<std::int16_t>(random, count, -most, most);
                elements = {words.data(), Elements::Kind::i16};
                break;
            default:
                integers = draw<std::int32_t>(random, count, -most, most);
                elements = {integers.data(), Elements::Kind::i32};
        }
    }
    std::int32_t operator[](std::size_t i) const { return element(elements, i); }
};

}  // namespace

TEST_CASE("sums are mapped by a line or a table, the same") {
    for (std::uint32_t seed = 1; seed <= 100; ++seed) {
        std::mt19937 random(seed);
        const std::size_t count = 1 + random() % 100;
        const Operand a(random, count, 300), b(random, count, 300);
        MapSums job{};
        job.a = a.elements, job.b = b.elements;
        job.sum = static_cast<MapSums::Sum>(seed % 3);
        job.count = count;
        job.least = -600;
        job.factor = 0.125F * static_cast<float>(1 + seed % 8), job.offset = 20;
        job.low = 3, job.high = 200;
        std::vector<std::uint8_t> table, expected;
        for (int s = job.least; s <= 600; ++s)
            table.push_back(static_cast<std::uint8_t>(
                std::clamp(std::nearbyint(static_cast<double>(s) * job.factor + job.offset), 3., 200.)));
        job.table = table.data();
        for (std::size_t i = 0; i < count; ++i) {
            const int s = a[i] + (job.sum == MapSums::Sum::plus    ? b[i]
                                  : job.sum == MapSums::Sum::minus ? -b[i]
                                                                   : 0);
            expected.push_back(table[static_cast<std::size_t>(s - job.least)]);
        }
        for_each_row([&](const Kernels& row) {
            for (const bool is_line : {false, true}) {
                std::vector<std::uint8_t> out(count + 16, 77);
                job.is_line = is_line, job.out = out.data();
                row.elementwise->map_sums(job);
                CHECK_MESSAGE(out[count] == 77, row.name);
                out.resize(count);
                CHECK_MESSAGE(out == expected, row.name, " seed ", seed, " line ", is_line);
            }
        });
    }
}

TEST_CASE("merged operands are exact, also between two codes") {
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
        std::mt19937 random(seed);
        const std::size_t channels = seed % 4 == 0 ? 1 : 1 + random() % 40, rows = 1 + random() % 8;
        const auto count = channels * rows;
        const Operand a(random, count, 400), b(random, count, 400);
        const bool halves = seed % 2 == 0;
        std::uniform_real_distribution<double> uniform(-0.3, 0.3);
        std::vector<double> multipliers[2], offsets;
        std::vector<float> factors[2], float_offsets;
        for (std::size_t c = 0; c < channels; ++c) {
            double offset = halves ? 0 : uniform(random) * 100;
            offsets.push_back(offset);
            for (auto& list : multipliers)
                list.push_back(halves ? std::ldexp(1, -static_cast<int>(random() % 5)) : uniform(random));
            for (int i = 0; i < 2; ++i) {
                factors[i].push_back(static_cast<float>(multipliers[i][c]));
                if (i == 0 || seed % 3 != 0) offset -= (i == 0 ? 7 : -5) * multipliers[i][c];
            }
            float_offsets.push_back(static_cast<float>(offset));
        }
        Merge job{};
        job.operands = seed % 3 == 0 ? 1 : 2;
        job.each[0] = a.elements, job.each[1] = b.elements;
        job.count = count, job.channels = channels;
        for (int i = 0; i < 2; ++i)
            job.factors[i] = factors[i].data(), job.multipliers[i] = multipliers[i].data();
        job.offsets = float_offsets.data();
        job.exact_offsets = halves ? nullptr : offsets.data();
        job.sure = seed % 7 == 0 ? -1 : 0.499F;
        job.zeros[0] = 7, job.zeros[1] = -5;
        job.zero = 12, job.low = 2, job.high = 250;
        std::vector<std::uint8_t> expected;
        for (std::size_t i = 0; i < count; ++i) {
            const auto c = i % channels;
            double t = (static_cast<double>(a[i]) - 7) * multipliers[0][c];
            if (job.operands == 2) t = t + (static_cast<double>(b[i]) + 5) * multipliers[1][c];
            if (!halves) t = t + offsets[c];
            expected.push_back(static_cast<std::uint8_t>(std::clamp(std::nearbyint(t) + 12, 2., 250.)));
        }
        for_each_row([&](const Kernels& row) {
            std::vector<std::uint8_t> out(count, 77);
            job.out = out.data();
            row.elementwise->merge(job);
            CHECK_MESSAGE(out == expected, row.name, " seed ", seed);
        });
    }
}

TEST_CASE("fractions are quantized at exact bounds") {
    for (std::uint32_t seed = 1; seed <= 100; ++seed) {
        std::mt19937 random(seed);
        const std::size_t count = 1 + random() % 100;
        QuantizeFloats job{};
        job.count = count;
        job.levels = 1 + static_cast<int>(random() % 255);
        job.code_of_nan = 1;
        const float scale = seed % 2 == 0 ? 0.25F : 0.013F;
        const float zero = static_cast<float>(random() % 20);
        job.factor = 1 / scale, job.offset = zero, job.sure = seed % 5 == 0 ? -1 : 0.499F;
        std::vector<float> bounds;
        for (int code = 0; code <= job.levels; ++code)
            bounds.push_back((static_cast<float>(code) - zero - 0.5F) * scale);
        job.bounds = bounds.data();
        std::vector<float> in = draw<float>(random, count, -100, 100);
        for (std::size_t i = 0; i < count; ++i) {
            if (i % 3 == 0) in[i] = bounds[random() % bounds.size()];
            if (i % 3 == 1) in[i] = std::nextafter(bounds[random() % bounds.size()], -1000.F);
            if (i % 11 == 0) in[i] = std::numeric_limits<float>::infinity() * (i % 2 == 0 ? 1.F : -1.F);
            if (i % 13 == 0) in[i] = std::numeric_limits<float>::quiet_NaN();
            if (i % 17 == 0) in[i] = 1e30F;
        }
        job.in = in.data();
        std::vector<std::uint8_t> expected;
        for (const float x : in) {
            int code = 0;
            while (code < job.levels && x >= bounds[static_cast<std::size_t>(code) + 1])
                ++code;
            expected.push_back(static_cast<std::uint8_t>(std::isnan(x) ? 1 : code));
        }
        for_each_row([&](const Kernels& row) {
            std::vector<std::uint8_t> out(count, 77);
            job.out = out.data();
            row.elementwise->quantize(job);
            CHECK_MESSAGE(out == expected, row.name, " seed ", seed);
        });
    }
}

TEST_CASE("fractions that are too small to be normal have codes, where the scale is as small") {
    const std::vector<float> bounds = {0, 0x1p-128F, 0x1.8p-127F, 0x1.4p-126F};
    const std::vector<float> in = {0, 0x1p-129F, 0x1.4p-128F, 0x1p-127F, 0x1.cp-127F, 0x1p-126F, 0x1.8p-126F, -0x1p-127F};
    const std::vector<std::uint8_t> expected = {0, 0, 1, 1, 2, 2, 3, 0};
    QuantizeFloats job{};
    job.in = in.data(), job.count = in.size();
    job.bounds = bounds.data(), job.levels = 3;
    job.factor = 0x1p127F, job.sure = 0.499F;
    for_each_row([&](const Kernels& row) {
        std::vector<std::uint8_t> out(in.size(), 77);
        job.out = out.data();
        row.elementwise->quantize(job);
        CHECK_MESSAGE(out == expected, row.name);
    });
}
