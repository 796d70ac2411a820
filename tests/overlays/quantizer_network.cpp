#include "tests/overlays/quantizer_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tests/model/onnx_maker.hpp"

namespace fard::test {
namespace {

using model::test::Extents;
using model::test::OnnxMaker;
using model::test::set;
using onnx::TensorProto;

constexpr const char* qonnx_domain = "qonnx.custom_op.general";

// A tensor of fractions. `spread`: about how large its elements are.
struct Value {
    std::string name;
    Extents shape;
    double spread = 1;
};

class Author {
  public:
    Author(std::uint32_t seed, Quantizers quantizers) : random_(seed), qdq_(quantizers == Quantizers::qdq) {}

    RandomNetwork write() {
        const Extents shape{1, pick({1, 3, 4, 8, 15, 16, 17, 32}), between(3, 9), between(3, 9)};
        now_ = qdq_ && chance(3) ? stored_input(shape) : float_input(shape);
        for (int layer = between(1, 4); layer > 0; --layer)
            add_layer();
        if (chance(2)) add_dense();
        maker_.output(now_.name);
        if (!codes_.empty() && chance(2)) maker_.output(codes_, codes_type_);
        return {maker_.bytes(), description_};
    }

  private:
    int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
    double real(double low, double high) {
        return std::uniform_real_distribution<double>(low, high)(random_);
    }
    bool chance(int in) { return between(1, in) == 1; }
    template <typename T>
    T pick(std::initializer_list<T> list) {
        return std::data(list)[between(0, static_cast<int>(list.size()) - 1)];
    }
    std::string next(const std::string& what) { return what + std::to_string(count_++); }
    void say(const std::string& what) { description_ += what + "; "; }

    static std::size_t count_of(const Extents& shape) {
        std::size_t count = 1;
        for (const auto extent : shape)
            count *= static_cast<std::size_t>(extent);
        return count;
    }

    std::string fractions(const Extents& shape, double low, double high) {
        std::vector<float> values(count_of(shape));
        for (auto& value : values)
            value = static_cast<float>(real(low, high));
        const auto name = next("f");
        maker_.constant(name, shape, values);
        return name;
    }

    std::string stored(int type, const Extents& shape, int low, int high) {
        auto& tensor = *maker_.proto().mutable_graph()->add_initializer();
        tensor.set_name(next("i"));
        tensor.set_data_type(type);
        for (const auto extent : shape)
            tensor.add_dims(extent);
        for (std::size_t i = 0; i < count_of(shape); ++i)
            tensor.add_int32_data(between(low, high));
        return tensor.name();
    }

    // Near `size`; powers of two now and then, so that sums lie right between two codes.
    std::string scales(const Extents& shape, double size) {
        if (chance(3)) {
            const auto power = static_cast<float>(std::exp2(std::round(std::log2(size))));
            const auto name = next("f");
            maker_.constant(name, shape, std::vector<float>(count_of(shape), power));
            return name;
        }
        return fractions(shape, size / 2, size * 2);
    }

    std::string node(const std::string& op, const std::vector<std::string>& inputs) {
        const auto name = next(op);
        last_ = &maker_.node(op, inputs, name);
        return name;
    }

    Value float_input(const Extents& shape) {
        maker_.input("x", shape);
        return quantized({"x", shape, 1});
    }

    Value stored_input(const Extents& shape) {
        const int type = pick({int{TensorProto::UINT8}, int{TensorProto::INT8}});
        maker_.input("x", shape, type);
        const auto zero = stored(type, {}, type == TensorProto::INT8 ? -100 : 0, 100);
        const auto scale = scales({}, 0.02);
        return {node("DequantizeLinear", {"x", scale, zero}), shape, 3};
    }

    Value quantized(const Value& x) { return qdq_ ? quantize_linear(x) : quant(x); }

    Value quantize_linear(const Value& x) {
        const bool is_signed = chance(2), each = x.shape.size() > 1 && chance(10);
        const Extents parameters = each ? Extents{x.shape[1]} : Extents{};
        codes_type_ = is_signed ? TensorProto::INT8 : TensorProto::UINT8;
        const auto scale = scales(parameters, x.spread / 80);
        const auto zero = stored(codes_type_, parameters, is_signed ? -60 : 0, chance(2) ? 120 : 0);
        const auto codes = node("QuantizeLinear", {x.name, scale, zero});
        codes_ = codes;
        const auto out = node("DequantizeLinear", {codes, scale, zero});
        say(fmt::format("{} {}{}", codes, is_signed ? "INT8" : "UINT8", each ? " each" : ""));
        return {out, x.shape, x.spread};
    }

    Value quant(const Value& x) {
        if (chance(8)) {
            const auto out = next("BipolarQuant");
            maker_.node("BipolarQuant", {x.name, scales({}, x.spread)}, out, qonnx_domain);
            say(out);
            return {out, x.shape, x.spread};
        }
        const bool is_signed = chance(2);
        const int bits = between(is_signed ? 2 : 1, 8);
        const bool each = x.shape.size() > 1 && chance(8);
        Extents parameters;
        if (each) {
            parameters.assign(x.shape.size(), 1);
            parameters[1] = x.shape[1];
        }
        const auto scale = scales(parameters, 2 * x.spread / std::exp2(bits));
        const auto zero = next("f"), width = next("f"), out = next("Quant");
        maker_.constant(zero, {}, {static_cast<float>(chance(5) ? between(-3, 3) : 0)});
        maker_.constant(width, {}, {static_cast<float>(bits)});
        auto& made = maker_.node("Quant", {x.name, scale, zero, width}, out, qonnx_domain);
        const char* rounding =
            chance(2) ? "ROUND" : pick({"CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"});
        set(made, "signed", int{is_signed});
        set(made, "narrow", int{is_signed && chance(3)});
        set(made, "rounding_mode", rounding);
        say(fmt::format("{} {}{}{} {}", out, is_signed ? "INT" : "UINT", bits, each ? " each" : "",
                        rounding));
        return {out, x.shape, x.spread};
    }

    // Fractions of about 1/2 that are stored as integers, or quantized here; the output channels lie along `axis`.
    std::string weights(const Extents& shape, std::size_t axis) {
        const bool each = chance(2);
        const int bits = between(1, 8);
        if (qdq_) {
            const int limit = 1 << (bits - 1);
            const Extents parameters = each ? Extents{shape[axis]} : Extents{};
            const bool is_signed = !chance(3);
            const int type = is_signed ? TensorProto::INT8 : TensorProto::UINT8, low = is_signed ? -limit : 0;
            const auto codes = stored(type, shape, low, low + 2 * limit - 1);
            // Symmetric, or as TFLite has them, or anything.
            const int zero_low = is_signed ? 0 : 128;
            const auto zero = chance(2)   ? stored(type, parameters, zero_low, zero_low)
                              : chance(2) ? stored(type, parameters, low, low + 2 * limit - 1)
                                          : stored(type, parameters, zero_low - 128, zero_low + 127);
            const auto real = node("DequantizeLinear", {codes, scales(parameters, 1.0 / limit), zero});
            set(*last_, "axis", static_cast<int>(axis));
            return real;
        }
        Extents parameters;
        if (each) {
            parameters.assign(shape.size(), 1);
            parameters[axis] = shape[axis];
        }
        const auto scale = scales(parameters, std::exp2(1 - bits)), zero = next("f"), width = next("f"),
                   out = next("Weights");
        if (bits == 1) {
            maker_.node("BipolarQuant", {fractions(shape, -1, 1), scale}, out, qonnx_domain);
            return out;
        }
        maker_.constant(zero, {}, {0}).constant(width, {}, {static_cast<float>(bits)});
        auto& made = maker_.node("Quant", {fractions(shape, -1, 1), scale, zero, width}, out, qonnx_domain);
        set(made, "narrow", int{chance(2)});
        return out;
    }

    Value convolution(const Value& x, std::int64_t outputs, std::int64_t groups, int kernel, int stride) {
        const auto each = x.shape[1] / groups;
        const int pad = between(0, kernel / 2), dilation = kernel > 1 && chance(6) ? 2 : 1;
        const auto reach = (kernel - 1) * dilation + 1;
        const auto before = pad * dilation, behind = chance(4) ? 0 : before;
        const Extents shape{1, outputs, (x.shape[2] + before + behind - reach) / stride + 1,
                            (x.shape[3] + before + behind - reach) / stride + 1};
        if (x.shape[2] + before + behind < reach || x.shape[3] + before + behind < reach) return x;
        std::vector<std::string> operands{x.name, weights({outputs, each, kernel, kernel}, 0)};
        const double spread = x.spread * std::sqrt(static_cast<double>(each * kernel * kernel)) / 2;
        if (chance(3)) operands.push_back(fractions({outputs}, -spread, spread));
        const auto out = node("Conv", operands);
        set(*last_, "kernel_shape", Extents{kernel, kernel});
        set(*last_, "pads", Extents{before, before, behind, behind});
        set(*last_, "strides", Extents{stride, stride});
        set(*last_, "dilations", Extents{dilation, dilation});
        set(*last_, "group", groups);
        say(fmt::format("{} {}->{} g{} k{} s{} d{} p{},{}", out, x.shape[1], outputs, groups, kernel, stride,
                        dilation, before, behind));
        return {out, shape, spread};
    }

    // 1x1, or 3x3 with padding: the image stays as large.
    Value same_size(const Value& x, std::int64_t outputs) {
        const int kernel = pick({1, 3});
        const auto spread = x.spread * std::sqrt(static_cast<double>(x.shape[1])) * kernel / 2;
        const auto out = node("Conv", {x.name, weights({outputs, x.shape[1], kernel, kernel}, 0)});
        set(*last_, "pads", Extents{kernel / 2, kernel / 2, kernel / 2, kernel / 2});
        say(fmt::format("{} {}->{} k{}", out, x.shape[1], outputs, kernel));
        return {out, {1, outputs, x.shape[2], x.shape[3]}, spread};
    }

    Value normalized(const Value& x) {
        const Extents each{x.shape[1]};
        const auto scale = fractions(each, chance(3) ? -1.5 : 0.5, 1.5), bias = fractions(each, -0.5, 0.5),
                   mean = fractions(each, -x.spread / 4, x.spread / 4),
                   variance = fractions(each, x.spread * x.spread / 2, x.spread * x.spread);
        const auto out = node("BatchNormalization", {x.name, scale, bias, mean, variance});
        say(out);
        return {out, x.shape, 1.5};
    }

    Value activated(const Value& x) {
        const auto op = pick({"Relu", "Relu", "Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "Tanh"});
        std::vector<std::string> operands{x.name};
        if (op == std::string("Clip")) {
            operands.push_back(fractions({}, 0, 0));
            operands.push_back(fractions({}, x.spread / 2, x.spread));
        }
        const auto out = node(op, operands);
        say(out);
        const bool bounded = op[0] == 'S' || op[0] == 'H' || op[0] == 'T';
        return {out, x.shape, bounded ? 1 : x.spread};
    }

    // What may stand between a linear layer and its quantizer.
    Value finished(Value x) {
        if (chance(2)) x = normalized(x);
        if (chance(2)) x = activated(x);
        return chance(12) ? x : quantized(x);
    }

    void add_layer() {
        switch (between(0, 9)) {
            case 0:
                now_ = pooled(now_);
                return;
            case 1:
            case 2:
                return add_residual();
            case 3:
                return add_branches();
            case 4:
                now_ = quantized(activated(now_));
                return;
            case 5:
                return add_move();
            default:
                return add_convolution();
        }
    }

    void add_convolution() {
        const auto inputs = now_.shape[1];
        std::int64_t groups = 1, outputs = between(1, 40);
        if (chance(3)) {
            groups = inputs;
            outputs = chance(3) ? 2 * inputs : inputs;
        } else if (inputs % 4 == 0 && chance(3)) {
            groups = pick({2, 4});
            outputs = groups * between(1, 12);
        }
        now_ = finished(convolution(now_, outputs, groups, between(1, 3), between(1, 2)));
    }

    Value pooled(const Value& x) {
        const int kernel = between(2, 3), stride = between(1, 2), pad = chance(3) ? 1 : 0;
        if (x.shape[2] + 2 * pad < kernel || x.shape[3] + 2 * pad < kernel) return x;
        const bool average = chance(2);
        const auto out = node(average ? "AveragePool" : "MaxPool", {x.name});
        set(*last_, "kernel_shape", Extents{kernel, kernel});
        set(*last_, "strides", Extents{stride, stride});
        set(*last_, "pads", Extents{pad, pad, pad, pad});
        if (average) set(*last_, "count_include_pad", int{chance(2)});
        say(fmt::format("{} k{} s{} p{}", out, kernel, stride, pad));
        const Extents shape{1, x.shape[1], (x.shape[2] + 2 * pad - kernel) / stride + 1,
                            (x.shape[3] + 2 * pad - kernel) / stride + 1};
        const Value made{out, shape, x.spread};
        return average || chance(2) ? quantized(made) : made;
    }

    // A sum, difference or product of two ways, as ResNets have them: with a quantizer before it or not, with
    // batch normalization behind it or not.
    void add_residual() {
        auto right = same_size(now_, now_.shape[1]);
        if (chance(2)) right = normalized(right);
        if (!chance(3)) right = quantized(right);
        auto left = now_;
        if (chance(3)) left = quantized(same_size(left, left.shape[1]));
        const auto op = pick({"Add", "Add", "Add", "Sub", "Mul"});
        Value sum{node(op, {left.name, right.name}), left.shape, std::max(left.spread, right.spread)};
        if (op[0] == 'M') sum.spread = left.spread * right.spread;
        say(sum.name);
        now_ = finished(sum);
    }

    void add_branches() {
        const auto first = finished(same_size(now_, between(1, 20))),
                   second = finished(same_size(now_, between(1, 20)));
        const auto out = node("Concat", {first.name, second.name});
        set(*last_, "axis", 1);
        say(out);
        now_ = {out,
                {1, first.shape[1] + second.shape[1], now_.shape[2], now_.shape[3]},
                std::max(first.spread, second.spread)};
        if (chance(2)) now_ = quantized(now_);
    }

    void add_move() {
        if (chance(2)) {
            const auto out = node("Transpose", {now_.name});
            set(*last_, "perm", Extents{0, 1, 3, 2});
            now_ = {out, {1, now_.shape[1], now_.shape[3], now_.shape[2]}, now_.spread};
        } else {
            const auto pads = next("pads");
            maker_.integers(pads, {8}, {0, 0, 1, 0, 0, 0, 0, 1});
            now_ = {node("Pad", {now_.name, pads}),
                    {1, now_.shape[1], now_.shape[2] + 1, now_.shape[3] + 1},
                    now_.spread};
        }
        say(now_.name);
    }

    void add_dense() {
        if (chance(2)) {
            now_ = quantized({node("GlobalAveragePool", {now_.name}), {1, now_.shape[1], 1, 1}, now_.spread});
            say("GlobalAveragePool");
        }
        const Extents flat{1, now_.shape[1] * now_.shape[2] * now_.shape[3]};
        now_ = {node("Flatten", {now_.name}), flat, now_.spread};
        const std::int64_t outputs = between(1, 40);
        const double spread = now_.spread * std::sqrt(static_cast<double>(flat[1])) / 2;
        if (chance(2)) {
            const bool transposed = chance(2);
            const Extents shape = transposed ? Extents{outputs, flat[1]} : Extents{flat[1], outputs};
            std::vector<std::string> operands{now_.name, weights(shape, transposed ? 0 : 1)};
            if (chance(2)) operands.push_back(fractions({outputs}, -spread, spread));
            now_ = {node("Gemm", operands), {1, outputs}, spread};
            set(*last_, "transB", int{transposed});
        } else {
            now_ = {node("MatMul", {now_.name, weights({flat[1], outputs}, 1)}), {1, outputs}, spread};
        }
        say(fmt::format("{} {}->{}", now_.name, flat[1], outputs));
        if (chance(2)) now_ = finished(now_);
    }

    std::mt19937 random_;
    bool qdq_;
    OnnxMaker maker_;
    Value now_;
    std::string codes_, description_;  // the integers quantized last
    int codes_type_ = TensorProto::UINT8;
    int count_ = 0;
    onnx::NodeProto* last_ = nullptr;  // the node made last
};

}  // namespace

RandomNetwork quantizer_network(std::uint32_t seed, Quantizers quantizers) {
    return Author(seed, quantizers).write();
}

}  // namespace fard::test
