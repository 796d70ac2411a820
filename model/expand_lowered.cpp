// What qonnx and FINN make of a network: operators on images with their channels last, windows as rows of a matrix,
// products of bits, and average pools of integers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/expander.hpp"

namespace fard::model {
namespace {

constexpr std::string_view channels_last_domain = "qonnx.custom_op.channels_last";

std::string channels_first(Expander& to, const std::string& x) {
    return to.put("ChannelsFirst", {x}, to.fresh("first"), {}, own_domain);
}
void channels_last(Expander& to, const std::string& x) {
    to.put("ChannelsLast", {x}, to.node().outputs[0], {}, own_domain);
}

// The ONNX operator of the same name between two transpositions; only x has its channels last.
void expand_channels_last(Expander& to) {
    auto inputs = to.node().inputs;
    inputs[0] = channels_first(to, inputs[0]);
    channels_last(to, to.put(to.node().op, inputs, to.fresh("result"), to.node().attributes));
}

void expand_max_pool_nhwc(Expander& to) {
    const auto x = channels_first(to, to.in(0));
    channels_last(to, to.put("MaxPool", {x}, to.fresh("result"), to.node().attributes));
}

// The number of equal bits of rows and columns: of those that are both 1, and of those that are both 0.
void expand_xnor_popcount(Expander& to) {
    const auto one = to.number("one", 1);
    const auto turned = [&](const char* hint, std::size_t i) {
        return to.put("Sub", {one, to.in(i)}, to.fresh(hint));
    };
    const auto ones = to.put("MatMul", {to.in(0), to.in(1)}, to.fresh("ones"));
    const auto zeros = to.put("MatMul", {turned("a", 0), turned("b", 1)}, to.fresh("zeros"));
    to.put("Add", {ones, zeros}, to.node().outputs[0]);
}

std::vector<std::int32_t> narrow(const std::vector<std::int64_t>& values) {
    std::vector<std::int32_t> narrowed;
    for (const auto value : values)
        narrowed.push_back(static_cast<std::int32_t>(std::clamp<std::int64_t>(
            value, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max())));
    return narrowed;
}

// Each place of the window as a slice of the padded image, side by side in the channels.
void expand_im2col(Expander& to) {
    constexpr std::int64_t most_places = 1 << 12;
    const auto kernel = to.attribute("kernel_size", std::vector<std::int64_t>{1, 1});
    const auto stride = to.attribute("stride", std::vector<std::int64_t>{1, 1});
    const auto dilations = to.attribute("dilations", std::vector<std::int64_t>{1, 1});
    const auto pads = to.attribute("pad_amount", std::vector<std::int64_t>{0, 0, 0, 0});
    const bool two = kernel.size() == 2 && stride.size() == 2 && dilations.size() == 2 && pads.size() == 4;
    if (!two || kernel[0] < 1 || kernel[1] < 1 || kernel[0] > most_places || kernel[1] > most_places ||
        kernel[0] * kernel[1] > most_places) {
        to.put("Im2Col", {to.in(0)}, to.node().outputs[0], {}, own_domain);  // which nothing knows
        return;
    }
    auto x = to.in(0);
    if (pads != std::vector<std::int64_t>(4, 0)) {
        const auto amounts = narrow({0, pads[0], pads[1], 0, 0, pads[2], pads[3], 0});
        const auto value =
            to.number("pad_value", static_cast<float>(to.attribute("pad_value", std::int64_t{0})));
        x = to.put("Pad", {x, to.list("pads", amounts), value}, to.fresh("padded"));
    }
    constexpr auto end = std::numeric_limits<std::int32_t>::max();
    const auto axes = to.list("axes", {1, 2}), steps = to.list("steps", narrow(stride));
    std::vector<std::string> places;
    for (std::int64_t i = 0; i < kernel[0]; ++i)
        for (std::int64_t j = 0; j < kernel[1]; ++j) {
            const std::int64_t at[] = {i * dilations[0], j * dilations[1]};
            const std::int64_t behind[] = {(kernel[0] - 1 - i) * dilations[0],
                                           (kernel[1] - 1 - j) * dilations[1]};
            const auto place = fmt::format("{}_{}", i, j);
            const auto starts = to.list("from_" + place, narrow({at[0], at[1]}));
            const auto ends =
                to.list("to_" + place, narrow({behind[0] ? -behind[0] : end, behind[1] ? -behind[1] : end}));
            places.push_back(to.put("Slice", {x, starts, ends, axes, steps}, to.fresh("place_" + place)));
        }
    to.put("Concat", places, to.node().outputs[0], {{"axis", std::int64_t{3}}});
}

// The sum over each window loses as many bits as the largest one has too many.
void expand_quant_avg_pool(Expander& to) {
    const auto kernel = to.attribute("kernel", std::int64_t{1}),
               stride = to.attribute("stride", std::int64_t{1});
    const auto ibits = std::clamp<std::int64_t>(to.attribute("ibits", std::int64_t{1}), 1, 32);
    const auto obits = std::clamp<std::int64_t>(to.attribute("obits", std::int64_t{1}), 1, 31);
    const bool last = to.attribute("data_layout", std::string("NCHW")) == "NHWC";
    const auto area = static_cast<double>(kernel) * static_cast<double>(kernel);
    const auto largest = (std::exp2(static_cast<double>(ibits)) - 1) * area;
    const int sum_bits = static_cast<int>(std::floor(std::log2(std::max(largest, 1.0)))) + 1;
    const auto shift = std::max<std::int64_t>(0, sum_bits - obits);
    const std::int64_t is_signed = to.attribute("signed", std::int64_t{0}) != 0;

    const auto x = last ? channels_first(to, to.in(0)) : to.in(0);
    const auto mean = to.put("AveragePool", {x}, to.fresh("mean"),
                             {{"kernel_shape", std::vector<std::int64_t>{kernel, kernel}},
                              {"strides", std::vector<std::int64_t>{stride, stride}}});
    const auto scaled =
        to.put("Mul", {mean, to.number("area", static_cast<float>(area))}, to.fresh("scaled"));
    const auto one = to.number("one", 1), zero = to.number("zero", 0);
    const auto sums =
        to.put("QuantCodes", {scaled, one, zero, to.number("bits", 32)}, to.fresh("sums"), {}, own_domain);
    const auto whole = to.put("DequantCodes", {sums, one, zero}, to.fresh("whole"), {}, own_domain);
    const auto step = to.number("step", std::exp2(static_cast<float>(shift)));
    const auto less = to.put(
        "QuantCodes", {whole, step, zero, to.number("result_bits", static_cast<float>(obits + is_signed))},
        to.fresh("less"), {{"rounding_mode", std::string("FLOOR")}, {"signed", is_signed}}, own_domain);
    const auto result = last ? to.fresh("result") : to.node().outputs[0];
    to.put("DequantCodes", {less, one, zero}, result, {}, own_domain);
    if (last) channels_last(to, result);
}

}  // namespace

const std::vector<Expansion>& lowered_expansions() {
    constexpr auto last = channels_last_domain;
    static const std::vector<Expansion> rows{
        {last, "AveragePool", 1, 1, expand_channels_last,
         "auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides"},
        {last, "BatchNormalization", 5, 5, expand_channels_last, "epsilon momentum spatial training_mode"},
        {last, "Conv", 2, 3, expand_channels_last, "auto_pad dilations group kernel_shape pads strides"},
        {last, "MaxPool", 1, 1, expand_channels_last,
         "auto_pad ceil_mode dilations kernel_shape pads storage_order strides"},
        {qonnx_domain, "Im2Col", 1, 1, expand_im2col,
         "depthwise dilations input_shape kernel_size pad_amount pad_value stride"},
        {qonnx_domain, "MaxPoolNHWC", 1, 1, expand_max_pool_nhwc, "ceil_mode kernel_shape pads strides"},
        {qonnx_domain, "QuantAvgPool2d", 1, 1, expand_quant_avg_pool,
         "data_layout ibits kernel obits signed stride"},
        {qonnx_domain, "XnorPopcountMatMul", 2, 2, expand_xnor_popcount},
    };
    return rows;
}

}  // namespace fard::model
