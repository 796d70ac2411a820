// ONNX's and ONNX Runtime's operators on quantized tensors: DequantizeLinear, the operator on fractions, QuantizeLinear.
#include <fmt/format.h>

#include "model/expander.hpp"

namespace fard::model {
namespace {

constexpr std::int64_t int32_element = 6;  // ONNX's number of the element type

// An operand with its zero point subtracted, in 32 bits.
std::string centred(Expander& to, const std::string& hint, const std::string& x, const std::string& zero) {
    const auto cast = [&](const std::string& name, const char* which) {
        return to.put("Cast", {name}, to.fresh(hint + which), {{"to", int32_element}});
    };
    const auto wide = cast(x, "_int32");
    return zero.empty() ? wide : to.put("Sub", {wide, cast(zero, "_zero")}, to.fresh(hint));
}

// A list of zero points as a tensor that is broadcast along `behind` more dimensions. Others stay as they are: one
// number, and what ONNX has in its full shape already.
std::string along(Expander& to, const std::string& hint, const std::string& zero, std::size_t behind) {
    const auto* shape = zero.empty() ? nullptr : to.stored_shape(zero);
    if (shape == nullptr || shape->size() != 1 || shape->front() == 1) return zero;
    std::vector<std::int32_t> wanted(behind + 1, 1);
    wanted[0] = -1;
    return to.put("Reshape", {zero, to.list(hint + "_shape", wanted)}, to.fresh(hint + "_list"));
}

// Integers with one scale and zero point for each of their rows or columns: a list along `axis`, or a tensor with the
// same number of dimensions.
std::string dequantized(Expander& to, const std::string& hint, const std::string& x, const std::string& scale,
                        const std::string& zero, std::int64_t axis) {
    const auto* shape = to.stored_shape(scale);
    if (shape == nullptr || shape->size() < 2) return to.dequantize(hint, x, scale, zero, axis);
    return to.put("DequantCodes", {x, scale, zero}, to.fresh(hint), {}, own_domain);
}

// The scale of an integer bias.
std::string bias_scale(Expander& to, const std::string& x_scale, const std::string& w_scale) {
    return to.put("Mul", {x_scale, w_scale}, to.fresh("bias_scale"));
}

// x, its scale and zero point, w ..., y's scale and zero point, bias
void expand_qlinear_conv(Expander& to) {
    std::vector<std::string> inputs{to.dequantize("x", to.in(0), to.in(1), to.in(2)),
                                    to.dequantize("w", to.in(3), to.in(4), to.in(5))};
    if (!to.in(8).empty())
        inputs.push_back(to.dequantize("bias", to.in(8), bias_scale(to, to.in(1), to.in(4)), ""));
    to.quantize(to.put("Conv", inputs, to.fresh("real"), to.node().attributes), to.in(6), to.in(7));
}

// a ..., b ..., y's scale and zero point: one for each row of a, one for each column of b
void expand_qlinear_matmul(Expander& to) {
    const auto a = dequantized(to, "a", to.in(0), to.in(1), to.in(2), -2);
    const auto b = dequantized(to, "b", to.in(3), to.in(4), to.in(5), -1);
    to.quantize(to.put("MatMul", {a, b}, to.fresh("real")), to.in(6), to.in(7));
}

// a ..., b ..., c, y's scale and zero point; without these it yields fractions. The scale of c is that of alpha * a * b.
void expand_qgemm(Expander& to) {
    const auto& attributes = to.node().attributes;
    const bool rows = to.attribute("transB", std::int64_t{0}) != 0;
    std::vector<std::string> inputs{to.dequantize("a", to.in(0), to.in(1), to.in(2)),
                                    to.dequantize("b", to.in(3), to.in(4), to.in(5), rows ? 0 : 1)};
    if (!to.in(6).empty()) {
        auto scale = bias_scale(to, to.in(1), to.in(4));
        if (const auto alpha = to.attribute("alpha", 1.0); alpha != 1)
            scale =
                to.put("Mul", {scale, to.number("alpha", static_cast<float>(alpha))}, to.fresh("c_scale"));
        inputs.push_back(to.dequantize("bias", to.in(6), scale, ""));
    }
    const bool quantizes = !to.in(7).empty();
    const auto real = to.put("Gemm", inputs, quantizes ? to.fresh("real") : to.node().outputs[0], attributes);
    if (quantizes) to.quantize(real, to.in(7), to.in(8));
}

// Two operands, each with its scale and zero point, then those of the result.
void expand_qlinear_binary(Expander& to) {
    const auto a = to.dequantize("a", to.in(0), to.in(1), to.in(2)),
               b = to.dequantize("b", to.in(3), to.in(4), to.in(5));
    to.quantize(to.put(to.node().op.substr(7), {a, b}, to.fresh("real")), to.in(6), to.in(7));
}

// One operand with its scale and zero point, then those of the result.
void expand_qlinear_unary(Expander& to) {
    const auto x = to.dequantize("x", to.in(0), to.in(1), to.in(2));
    auto attributes = to.node().attributes;
    attributes.erase("channels_last");
    to.quantize(to.put(to.node().op.substr(7), {x}, to.fresh("real"), std::move(attributes)), to.in(3),
                to.in(4));
}

void expand_qlinear_concat(Expander& to) {  // y's scale and zero point, then each operand with its own
    std::vector<std::string> inputs;
    for (std::size_t i = 2; i + 2 < to.node().inputs.size(); i += 3)
        inputs.push_back(to.dequantize(fmt::format("x{}", i / 3), to.in(i), to.in(i + 1), to.in(i + 2)));
    to.quantize(to.put("Concat", inputs, to.fresh("real"), to.node().attributes), to.in(0), to.in(1));
}

// A list of zero points stands along the output channels of w.
void expand_conv_integer(Expander& to) {
    const auto* weights = to.stored_shape(to.in(1));
    const auto behind = weights == nullptr || weights->empty() ? 3 : weights->size() - 1;
    to.put(
        "Conv",
        {centred(to, "x", to.in(0), to.in(2)), centred(to, "w", to.in(1), along(to, "w", to.in(3), behind))},
        to.node().outputs[0], to.node().attributes);
}

// A list of zero points stands along the rows of a, or the columns of b.
void expand_matmul_integer(Expander& to) {
    to.put("MatMul",
           {centred(to, "a", to.in(0), along(to, "a", to.in(2), 1)), centred(to, "b", to.in(1), to.in(3))},
           to.node().outputs[0]);
}

// ONNX Runtime's own mean what ONNX's do.
void expand_same(Expander& to) {
    to.put(to.node().op, to.node().inputs, to.node().outputs[0], to.node().attributes);
}

}  // namespace

const std::vector<Expansion>& qlinear_expansions() {
    constexpr std::string_view onnx = "", microsoft = microsoft_domain;
    constexpr std::string_view conv = "auto_pad dilations group kernel_shape pads strides";
    static const std::vector<Expansion> rows{
        {onnx, "ConvInteger", 2, 4, expand_conv_integer, conv},
        {onnx, "MatMulInteger", 2, 4, expand_matmul_integer},
        {onnx, "QLinearConv", 8, 9, expand_qlinear_conv, conv},
        {onnx, "QLinearMatMul", 8, 8, expand_qlinear_matmul},
        {microsoft, "DequantizeLinear", 2, 3, expand_same, "axis"},
        {microsoft, "QGemm", 6, 9, expand_qgemm, "alpha transA transB"},
        {microsoft, "QLinearAdd", 7, 8, expand_qlinear_binary},
        {microsoft, "QLinearAveragePool", 4, 5, expand_qlinear_unary,
         "auto_pad ceil_mode count_include_pad kernel_shape pads strides"},
        {microsoft, "QLinearConcat", 5, many_operands, expand_qlinear_concat, "axis"},
        {microsoft, "QLinearGlobalAveragePool", 4, 5, expand_qlinear_unary},
        {microsoft, "QLinearLeakyRelu", 4, 5, expand_qlinear_unary, "alpha"},
        {microsoft, "QLinearMul", 7, 8, expand_qlinear_binary},
        {microsoft, "QLinearSigmoid", 4, 5, expand_qlinear_unary},
        {microsoft, "QuantizeLinear", 2, 3, expand_same, "axis"},
    };
    return rows;
}

}  // namespace fard::model
