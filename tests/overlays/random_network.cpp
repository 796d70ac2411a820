#include "tests/overlays/random_network.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "tests/model/onnx_maker.hpp"

namespace fard::test {
namespace {

using model::test::Extents;
using model::test::OnnxMaker;
using model::test::set;

class Author {
  public:
    explicit Author(std::uint32_t seed) : random_(seed) {}

    RandomNetwork write() {
        shape_ = {chance(4) ? 3 : 1, between(1, 40), between(1, 12), between(1, 12)};
        if (chance(2)) shape_[1] = 16 * between(1, 8);
        type_ = input_type();
        maker_.input("x", shape_).annotate("x", type_.name());
        say("x " + type_.name());
        for (int layer = between(1, 4); layer > 0; --layer)
            add_image_layer();
        if (chance(2)) leave_image();
        maker_.output(now_);
        return {maker_.bytes(), description_};
    }

  private:
    int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
    bool chance(int in) { return between(1, in) == 1; }
    void say(const std::string& what) { description_ += what + "; "; }
    std::string next(const std::string& op) { return op + std::to_string(count_++); }

    DataType input_type() {
        switch (between(0, 5)) {
            case 0:
                return DataType::uint(8);
            case 1:
                return DataType::sint(8);
            case 2:
                return DataType::bipolar();
            case 3:
                return DataType::sint(between(9, 13));
            case 4:
                return DataType::sint(between(1, 7));
            default:
                return DataType::uint(between(1, 7));
        }
    }

    std::vector<float> draw(std::size_t count, double low, double high, bool whole = true) {
        std::uniform_real_distribution<double> uniform(low, high);
        std::vector<float> values(count);
        for (auto& value : values)
            value = static_cast<float>(whole ? std::floor(uniform(random_)) : uniform(random_));
        return values;
    }

    // Thresholds as a uniform quantizer has them: each row's at equal distances.
    std::vector<float> draw_even(std::size_t rows, std::size_t steps, double spread) {
        std::vector<float> values;
        for (const float middle : draw(rows, -spread / 8, spread / 8, false)) {
            const double distance = spread / static_cast<double>(steps) * between(1, 8) / 8;
            for (std::size_t t = 0; t < steps; ++t)
                values.push_back(static_cast<float>(
                    middle + distance * (static_cast<double>(t) - static_cast<double>(steps) / 2)));
        }
        return values;
    }

    std::vector<float> draw_weights(std::size_t count) {
        const int bits = chance(6) ? between(9, 11) : chance(type_.bits() <= 2 ? 2 : 6) ? 1 : between(1, 8);
        if (bits == 1) return draw_signs(count, chance(2));
        const double limit = std::pow(2, bits - 1);
        weight_limit_ = limit;
        return draw(count, -limit, limit);
    }

    std::vector<float> draw_signs(std::size_t count, bool zeros) {
        weight_limit_ = 1;
        auto values = draw(count, 0, zeros ? 3 : 2);
        for (auto& value : values)
            value = zeros ? value - 1 : 2 * value - 1;
        return values;
    }

    void add_image_layer() {
        switch (between(0, 7)) {
            case 0:
                return add_offset();
            case 1:
                return add_pool();
            case 2:
                return add_thresholds(std::pow(2, std::min(10, type_.bits())));
            default:
                return add_convolution();
        }
    }

    void add_offset() {
        const auto out = next(chance(2) ? "Sub" : "Add");
        maker_.constant(out + "_c", {1}, {static_cast<float>(between(-20, 20))});
        maker_.node(out.substr(0, 3), {now_, out + "_c"}, out);
        now_ = out;
        say(out);
    }

    void add_pool() {
        const auto out = next("MaxPool");
        const int kernel = between(1, 3), pad = kernel > 1 && chance(2) ? 1 : 0, stride = between(1, 2);
        if (shape_[2] + 2 * pad < kernel || shape_[3] + 2 * pad < kernel) return;
        auto& node = maker_.node("MaxPool", {now_}, out);
        set(node, "kernel_shape", Extents{kernel, kernel});
        set(node, "strides", Extents{stride, stride});
        set(node, "pads", Extents{pad, pad, pad, pad});
        for (const std::size_t axis : {2u, 3u})
            shape_[axis] = (shape_[axis] + 2 * pad - kernel) / stride + 1;
        now_ = out;
        say(out + fmt::format(" k{} s{} p{}", kernel, stride, pad));
    }

    void add_convolution() {
        const auto out = next("Conv");
        const int kernel = between(1, 3), dilation = chance(5) ? 2 : 1, stride = between(1, 2),
                  pad = between(0, kernel - 1);
        const auto reach = (kernel - 1) * dilation + 1;
        if (shape_[2] + 2 * pad < reach || shape_[3] + 2 * pad < reach) return;
        const auto inputs = shape_[1];
        std::int64_t groups = 1, outputs = chance(3) ? between(50, 90) : between(1, 40);
        if (chance(3)) {
            groups = inputs;
            outputs = chance(3) ? inputs * 2 : inputs;
        } else if (inputs % 2 == 0 && chance(3)) {
            groups = 2;
            outputs = 2 * between(1, 20);
        }
        const auto depth = inputs / groups * kernel * kernel;
        maker_.constant(out + "_w", {outputs, inputs / groups, kernel, kernel},
                        draw_weights(static_cast<std::size_t>(outputs * depth)));
        std::vector<std::string> operands{now_, out + "_w"};
        if (chance(4)) {
            maker_.constant(out + "_b", {outputs}, draw(static_cast<std::size_t>(outputs), -100, 100));
            operands.push_back(out + "_b");
        }
        auto& node = maker_.node("Conv", operands, out);
        set(node, "kernel_shape", Extents{kernel, kernel});
        set(node, "strides", Extents{stride, stride});
        set(node, "dilations", Extents{dilation, dilation});
        set(node, "pads", Extents{pad, pad, pad, pad});
        set(node, "group", groups);
        for (const std::size_t axis : {2u, 3u})
            shape_[axis] = (shape_[axis] + 2 * pad - reach) / stride + 1;
        shape_[1] = outputs;
        now_ = out;
        say(out + fmt::format(" {}->{} g{} k{} d{} s{} p{} w<{}", inputs, outputs, groups, kernel, dilation,
                              stride, pad, weight_limit_));
        finish_linear(depth);
    }

    // Sums go through thresholds nearly always: they would grow beyond 32 bits.
    void finish_linear(std::int64_t depth) {
        if (chance(4)) {
            const auto out = next("Add");
            const Extents each = shape_.size() == 4 ? Extents{shape_[1], 1, 1} : Extents{shape_[1]};
            maker_.constant(out + "_c", each, draw(static_cast<std::size_t>(shape_[1]), -50, 50));
            maker_.node("Add", {now_, out + "_c"}, out);
            now_ = out;
            say(out);
        }
        const double x = std::pow(2, type_.bits());
        add_thresholds(std::sqrt(static_cast<double>(depth)) * x * weight_limit_);
    }

    void add_thresholds(double spread) {
        const auto out = next("MultiThreshold");
        const int bits = chance(3) ? between(1, 2) : between(1, 8),
                  rows = chance(4) ? 1 : static_cast<int>(shape_[1]);
        int steps = (1 << bits) - 1;
        if (chance(8)) steps = between(1, steps);
        maker_.constant(
            out + "_t", {rows, steps},
            chance(2) ? draw_even(static_cast<std::size_t>(rows), static_cast<std::size_t>(steps), spread)
                      : draw(static_cast<std::size_t>(rows * steps), -spread, spread, chance(2)));
        auto& node = maker_.node("MultiThreshold", {now_, out + "_t"}, out, "qonnx.custom_op.general");
        type_ = DataType::uint(bits);
        double bias = 0;
        if (bits == 1 && chance(2)) {
            set(node, "out_scale", 2.0);
            bias = -1;
            type_ = DataType::bipolar();
        } else if (chance(3)) {
            bias = -(1 << (bits - 1));
            type_ = DataType::sint(bits);
        }
        set(node, "out_bias", bias);
        set(node, "out_dtype", type_.name().c_str());
        set(node, "data_layout", shape_.size() == 4 ? "NCHW" : "NC");
        if (chance(2)) maker_.annotate(out, type_.name());
        now_ = out;
        say(out + fmt::format(" [{}][{}] {}", rows, steps, type_.name()));
    }

    void leave_image() {
        const bool sums = chance(2);
        const auto out = next(sums ? "ReduceSum" : "Flatten");
        if (sums) {
            maker_.integers(out + "_axes", {2}, {2, 3});
            set(maker_.node("ReduceSum", {now_, out + "_axes"}, out), "keepdims", 0);
            shape_ = {shape_[0], shape_[1]};
        } else {
            set(maker_.node("Flatten", {now_}, out), "axis", 1);
            shape_ = {shape_[0], shape_[1] * shape_[2] * shape_[3]};
        }
        now_ = out;
        say(out);
        const auto product = next("MatMul");
        const auto depth = shape_[1], outputs = static_cast<std::int64_t>(between(1, 40));
        maker_.constant(product + "_w", {depth, outputs},
                        draw_weights(static_cast<std::size_t>(depth * outputs)));
        maker_.node("MatMul", {now_, product + "_w"}, product);
        shape_[1] = outputs;
        now_ = product;
        say(product + fmt::format(" {}->{} w<{}", depth, outputs, weight_limit_));
        if (chance(2)) finish_linear(depth);
    }

    std::mt19937 random_;
    OnnxMaker maker_;
    Extents shape_;
    DataType type_;
    std::string now_ = "x", description_;
    double weight_limit_ = 1;
    int count_ = 0;
};

std::vector<std::byte> random_fractions(std::size_t count, std::mt19937& random) {
    std::uniform_real_distribution<float> draw(-2, 2);
    std::vector<float> values(count);
    for (auto& value : values)
        value = draw(random);
    std::vector<std::byte> bytes(count * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

}  // namespace

RandomNetwork random_network(std::uint32_t seed) {
    return Author(seed).write();
}

std::vector<std::vector<std::byte>> random_inputs(const model::Model& model, std::mt19937& random) {
    std::vector<std::vector<std::byte>> inputs;
    for (const auto& desc : model.inputs()) {
        if (!desc.type.is_integer()) {
            inputs.push_back(random_fractions(desc.elements(), random));
            continue;
        }
        std::uniform_int_distribution<std::int64_t> draw(desc.type.min(), desc.type.max());
        const bool extreme = random() % 4 == 0;  // sums as large as they get
        std::vector<std::int32_t> values(desc.elements());
        for (auto& value : values) {
            value = static_cast<std::int32_t>(extreme ? desc.type.max() : draw(random));
            if (desc.type == DataType::bipolar() && value == 0) value = 1;
        }
        inputs.emplace_back(desc.wire_bytes());
        REQUIRE(pack(desc.type, values, inputs.back()));
    }
    return inputs;
}

}  // namespace fard::test
