// The arithmetic between integers and what they stand for, on numbers that can be checked by hand.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "model/functions.hpp"
#include "model/reference.hpp"

using namespace fard;
using namespace fard::model;

namespace {

Tensor tensor(const Shape& shape, DataType type) {
    Tensor made;
    made.shape = shape;
    made.type = type;
    if (type.is_integer()) made.range = Range{type.min(), type.max()};
    return made;
}

// One node on operands of one shape.
Values run_one(Op op, Attributes attributes, const std::vector<Values>& operands, DataType out,
               const Shape& shape) {
    const Node node{"node", op, {}, {0}, std::move(attributes)};
    const auto output = tensor(shape, out);
    std::vector<Tensor> tensors;
    for (const auto& each : operands)
        tensors.push_back(tensor(shape, each.integers.empty() ? DataType::float32() : DataType::sint(32)));
    NodeView view{node, {}, output};
    std::vector<const Values*> values;
    for (std::size_t i = 0; i < operands.size(); ++i) {
        view.operands.push_back(&tensors[i]);
        values.push_back(&operands[i]);
    }
    auto result = run_node(view, values);
    REQUIRE_MESSAGE(result, result.error().message);
    return *result;
}

using Integers = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("many fractions are quantized as each is") {
    const float many = std::numeric_limits<float>::infinity();
    std::vector<float> x{0, -0.0F, 0.5F, -0.5F, 1.5F, -1.5F, 2.5F, -2.5F, 0.49999997F, 126.5F, 127.5F, -128.5F, 1e9F, -1e9F, 3e18F, -3e18F,
                         many, -many, std::nanf("")};
    while (x.size() < 48)
        x.push_back(static_cast<float>(x.size()) * 0.37F - 9);
    const std::vector<std::vector<double>> scales{{1}, {0.25, 1, 3}};
    for (int which = 0; which < 8; ++which) {
        QuantizeAttributes attributes;
        const auto& scale = attributes.affine.scale = scales[static_cast<std::size_t>(which % 2)];
        attributes.affine.zero_point.assign(scale.size(), 0);
        attributes.affine.zero_point.back() = 7;
        attributes.affine.axis = scale.size() == 1 ? -1 : 1;
        attributes.rounding = which & 2 ? Rounding::floor : Rounding::half_even;
        attributes.add_then_round = which & 4;
        attributes.range = {-128, 127};
        Integers each;
        for (std::size_t i = 0; i < x.size(); ++i)
            each.push_back(quantized_fraction(attributes, i / 4 % 3, x[i]));
        const auto made = run_one(Op::quantize, attributes, {Values{.floats = x}}, DataType::sint(8), {4, 3, 4});
        CHECK(made.integers == each);
    }
}

TEST_CASE("rows of channels are quantized as each element is") {
    const std::pair<Shape, int> shapes[] = {{{40, 19}, 1}, {{3, 40}, 0}, {{5, 21, 3, 3}, 1}, {{2, 3, 100}, 1}};
    std::uint32_t drawn = 1;
    for (const auto& [shape, axis] : shapes)
        for (const bool add_then_round : {false, true})
            for (const std::int64_t bound : {std::int64_t{7}, std::int64_t{1} << 23, (std::int64_t{1} << 31) - 1}) {
                QuantizeAttributes attributes;
                attributes.affine.axis = axis;
                const auto channels = static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]);
                for (std::size_t c = 0; c < channels; ++c) {
                    attributes.affine.scale.push_back(0.25 * static_cast<double>(1 + c % 5));
                    attributes.affine.zero_point.push_back(static_cast<std::int32_t>(c % 3) * (bound > 7 ? 1'000'003 : 1));
                }
                attributes.range = {-bound - 1, bound};
                attributes.add_then_round = add_then_round;
                Values x;
                while (x.floats.size() < elements(shape)) {
                    drawn = drawn * 1'664'525 + 1'013'904'223;
                    const auto size = std::ldexp(0.125F, static_cast<int>(drawn >> 8) % 30);
                    x.floats.push_back(static_cast<float>(static_cast<std::int32_t>(drawn) >> 20) / 16 * size);
                }
                std::size_t inner = 1;
                for (auto i = static_cast<std::size_t>(axis) + 1; i < shape.size(); ++i)
                    inner *= static_cast<std::size_t>(shape[i]);
                Integers each;
                for (std::size_t i = 0; i < x.floats.size(); ++i)
                    each.push_back(quantized_fraction(attributes, i / inner % channels, x.floats[i]));
                CHECK(run_one(Op::quantize, attributes, {x}, DataType::sint(32), shape).integers == each);
            }
}

TEST_CASE("a number is quantized by rounding, adding and clamping") {
    for (const double x : {0.0, -0.0, 0.5, 1.5, -0.5, -2.5, 0.49999999999999994, 2e9, -3e9, 0x1p51 + 0.5, 0x1p52, -0x1p60, 1e300, -1e300,
                           std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), std::nan("")})
        for (const bool add_then_round : {false, true}) {
            QuantizeAttributes attributes{.affine = {{0.5}, {3}, -1}, .add_then_round = add_then_round, .range = {-100, 2'000'000'000}};
            const auto scaled = (std::isnan(x) ? 0 : x) / 0.5;
            const auto whole = add_then_round ? rounded(Rounding::half_even, scaled + 3) : rounded(Rounding::half_even, scaled) + 3;
            CHECK(quantized(attributes, 0, x) == clamped(whole, attributes.range));
        }
}

TEST_CASE("all rounding modes") {
    const std::vector<double> x{-2.5, -1.5, -1.2, -0.5, 0.5, 1.2, 1.5, 2.5, 1.8};
    const auto all = [&](Rounding rounding) {
        std::vector<double> results;
        for (const auto each : x)
            results.push_back(rounded(rounding, each));
        return results;
    };
    using Numbers = std::vector<double>;
    CHECK(all(Rounding::half_even) == Numbers{-2, -2, -1, 0, 0, 1, 2, 2, 2});
    CHECK(all(Rounding::ceil) == Numbers{-2, -1, -1, 0, 1, 2, 2, 3, 2});
    CHECK(all(Rounding::floor) == Numbers{-3, -2, -2, -1, 0, 1, 1, 2, 1});
    CHECK(all(Rounding::away_from_zero) == Numbers{-3, -2, -2, -1, 1, 2, 2, 3, 2});
    CHECK(all(Rounding::to_zero) == Numbers{-2, -1, -1, 0, 0, 1, 1, 2, 1});
    CHECK(all(Rounding::half_away_from_zero) == Numbers{-3, -2, -1, -1, 1, 1, 2, 3, 2});
    CHECK(all(Rounding::half_to_zero) == Numbers{-2, -1, -1, 0, 0, 1, 1, 2, 2});
}

TEST_CASE("quantize adds the zero point after rounding, or before") {
    const Values x{{}, {-10, 0.25F, 0.75F, 100, std::numeric_limits<float>::quiet_NaN()}};
    QuantizeAttributes attributes{{{0.5}, {3}, -1}, Rounding::half_even, false, {0, 15}};
    CHECK(run_one(Op::quantize, attributes, {x}, DataType::uint(4), {5}).integers ==
          Integers{0, 3, 5, 15, 3});
    attributes.add_then_round = true;  // 3.5 and 4.5 go to 4
    CHECK(run_one(Op::quantize, attributes, {x}, DataType::uint(4), {5}).integers ==
          Integers{0, 4, 4, 15, 3});
}

TEST_CASE("quantize and dequantize per channel") {
    const Affine affine{{0.5, 2}, {1, -1}, 0};
    const Values codes{{1, 3, -1, 2}, {}};
    const auto real =
        run_one(Op::dequantize, DequantizeAttributes{affine}, {codes}, DataType::float32(), {2, 2});
    CHECK(real.floats == std::vector<float>{0, 1, 0, 6});
    const QuantizeAttributes back{affine, Rounding::half_even, false, {-8, 7}};
    CHECK(run_one(Op::quantize, back, {real}, DataType::sint(4), {2, 2}) == codes);
}

TEST_CASE("requantize rounds half to even and clamps") {
    RequantizeAttributes attributes{{{{0.5}, 0}}, {}, 10, {8, 12}, -1};
    const Values x{{-100, -3, -1, 0, 1, 3, 5, 100}, {}};
    CHECK(run_one(Op::requantize, attributes, {x}, DataType::uint(8), {8}).integers ==
          Integers{8, 8, 10, 10, 10, 12, 12, 12});
    attributes.offset = {0.5};
    CHECK(run_one(Op::requantize, attributes, {x}, DataType::uint(8), {8}).integers ==
          Integers{8, 9, 10, 10, 11, 12, 12, 12});
}

TEST_CASE("requantize of two operands, per channel") {
    const RequantizeAttributes attributes{{{{1, -2}, 1}, {{0.25}, -1}}, {0, 100}, 0, {-128, 127}, 1};
    const Values a{{1, 1, 5, 5}, {}}, b{{-1, 3, 1, -3}, {}};
    CHECK(run_one(Op::requantize, attributes, {a, b}, DataType::sint(8), {2, 2}).integers ==
          Integers{0, 101, 4, 92});
}

TEST_CASE("requantize does not lose the low bits of 32-bit sums") {
    const RequantizeAttributes attributes{{{{1.0 / (1 << 24)}, 0}}, {}, 0, {-128, 127}, -1};
    const Values x{
        {(1 << 24) * 2 + (1 << 23), (1 << 24) * 2 + (1 << 23) + 1, std::numeric_limits<std::int32_t>::min()},
        {}};
    CHECK(run_one(Op::requantize, attributes, {x}, DataType::sint(8), {3}).integers == Integers{2, 3, -128});
}
