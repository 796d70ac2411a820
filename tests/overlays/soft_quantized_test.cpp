// Networks of QLinear operators on the soft device against the reference interpreter, on every instruction set.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>

#include "model/reference.hpp"
#include "overlays/soft/plan.hpp"
#include "tests/model/onnx_maker.hpp"
#include "tests/overlays/random_network.hpp"

using namespace fard;
using model::test::Extents;
using model::test::OnnxMaker;
using model::test::set;

namespace {

class QuantizedNetwork {
  public:
    explicit QuantizedNetwork(std::uint32_t seed) : random_(seed) {
        shape_ = {between(0, 3) == 0 ? 3 : 1, between(1, 5) * 8, between(4, 9), between(4, 9)};
        maker_.input("image", shape_, onnx::TensorProto::UINT8);
        for (int layer = between(1, 4); layer > 0; --layer)
            add_layer();
        if (between(0, 1)) finish_with_dense();
        maker_.output(now_, onnx::TensorProto::UINT8);
    }

    std::string bytes() const { return maker_.bytes(); }
    int concats_of_layers() const { return concats_of_layers_; }  // whose operands are all convolutions

  private:
    int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

    std::string next(const std::string& op) { return op + std::to_string(count_++); }

    std::string typed(const Extents& shape, int type, int low, int high) {
        auto& tensor = *maker_.proto().mutable_graph()->add_initializer();
        tensor.set_name(next("c"));
        tensor.set_data_type(type);
        std::int64_t count = 1;
        for (const auto extent : shape)
            tensor.add_dims(extent), count *= extent;
        for (; count > 0; --count)
            tensor.add_int32_data(between(low, high));
        return tensor.name();
    }

    std::string scales(const Extents& shape, float low, float high) {
        std::vector<float> values;
        std::int64_t count = 1;
        for (const auto extent : shape)
            count *= extent;
        const bool powers = between(0, 2) == 0;  // sums then lie between two codes often
        for (; count > 0; --count)
            values.push_back(powers ? high / 2 : std::uniform_real_distribution<float>(low, high)(random_));
        maker_.constant(next("s"), shape, values);
        return "s" + std::to_string(count_ - 1);
    }

    void requantize_scale() {
        in_scale_ = scale_, in_zero_ = zero_;
        if (between(0, 2)) scale_ = scales({}, 0.01F, 0.0625F);
        if (between(0, 2)) zero_ = typed({}, onnx::TensorProto::UINT8, 0, between(0, 1) * 200);
    }

    void add_convolution(const std::string& input, std::int64_t channels, std::int64_t groups,
                         std::int64_t kernel, std::int64_t stride) {
        const auto pad = kernel / 2;
        const auto each = shape_[1] / groups;
        const float spread = 1 / (60 * static_cast<float>(each * kernel));
        const auto out = next("QLinearConv");
        auto& node = maker_.node(
            "QLinearConv",
            {input, in_scale_, in_zero_,
             typed({channels, each, kernel, kernel}, onnx::TensorProto::INT8, -128, 127),
             scales({channels}, spread / 2, spread), typed({channels}, onnx::TensorProto::INT8, 0, 0), scale_,
             zero_, typed({channels}, onnx::TensorProto::INT32, -5000, 5000)},
            out);
        set(node, "kernel_shape", Extents{kernel, kernel});
        set(node, "pads", Extents{pad, pad, pad, pad});
        set(node, "strides", Extents{stride, stride});
        set(node, "group", groups);
        now_ = out;
    }

    void after_convolution(std::int64_t channels, std::int64_t kernel, std::int64_t stride) {
        shape_[1] = channels;
        for (const std::size_t axis : {2u, 3u})
            shape_[axis] = (shape_[axis] + kernel / 2 * 2 - kernel) / stride + 1;
    }

    void add_layer() {
        requantize_scale();
        const auto kernel = between(0, 1) * 2 + 1, stride = between(1, 2);
        switch (between(0, 3)) {
            case 0:
                add_convolution(now_, shape_[1], shape_[1], 3, stride);
                return after_convolution(shape_[1], 3, stride);
            case 1:
                return add_branches();
            default:
                const auto channels = between(1, 80);
                add_convolution(now_, channels, 1, kernel, stride);
                return after_convolution(channels, kernel, stride);
        }
    }

    void add_branches() {
        const auto input = now_;
        const std::int64_t channels = between(1, 40);
        add_convolution(input, channels, 1, 1, 1);
        const auto left = now_;
        add_convolution(input, channels, 1, 3, 1);
        const auto out = next("Concat");
        const bool with_input = between(0, 1) != 0;
        auto operands =
            with_input ? std::vector<std::string>{left, input, now_} : std::vector<std::string>{left, now_};
        set(maker_.node("Concat", operands, out), "axis", 1);
        shape_[1] = 2 * channels + (with_input ? shape_[1] : 0);
        concats_of_layers_ += with_input ? 0 : 1;
        now_ = out;
    }

    void finish_with_dense() {
        const auto real = next("real"), mean = next("mean"), quantized = next("quantized"),
                   flat = next("flat"), dense = next("dense");
        maker_.node("DequantizeLinear", {now_, scale_, zero_}, real);
        maker_.node("GlobalAveragePool", {real}, mean);
        maker_.node("QuantizeLinear", {mean, scale_, zero_}, quantized);
        set(maker_.node("Flatten", {quantized}, flat), "axis", 1);
        const std::int64_t channels = between(1, 70);
        maker_.node("QLinearMatMul",
                    {flat, scale_, zero_, typed({shape_[1], channels}, onnx::TensorProto::INT8, -128, 127),
                     scales({channels}, 0.0005F, 0.001F), typed({channels}, onnx::TensorProto::INT8, 0, 0),
                     scale_, zero_},
                    dense);
        now_ = dense;
    }

    std::mt19937 random_;
    OnnxMaker maker_;
    int count_ = 0, concats_of_layers_ = 0;
    Extents shape_;
    std::string now_ = "image";
    std::string scale_ = scales({}, 0.02F, 0.02F), zero_ = typed({}, onnx::TensorProto::UINT8, 0, 0);
    std::string in_scale_, in_zero_;
};

using Tensors = std::vector<std::vector<std::byte>>;

Tensors run_plan(soft::Plan& plan, const model::Model& model, const Tensors& inputs) {
    Tensors outputs;
    for (const auto& desc : model.outputs())
        outputs.emplace_back(desc.wire_bytes());
    const std::vector<std::span<const std::byte>> from(inputs.begin(), inputs.end());
    const std::vector<std::span<std::byte>> to(outputs.begin(), outputs.end());
    REQUIRE(plan.load(from));
    REQUIRE(plan.run());
    REQUIRE(plan.store(to));
    return outputs;
}

}  // namespace

TEST_CASE("networks of QLinear operators are computed to the last bit, and nothing is interpreted") {
    std::map<std::string, int> kinds;
    int concats = 0, copied = 0, of_layers = 0;
    for (std::uint32_t seed = 1; seed <= 80; ++seed) {
        const QuantizedNetwork network(seed);
        auto parsed = model::Model::parse(network.bytes(), "quantized");
        REQUIRE_MESSAGE(parsed, seed, ": ", parsed ? "" : parsed.error().message);
        const auto model = std::make_shared<const model::Model>(std::move(*parsed));
        std::mt19937 random(seed);
        const auto inputs = test::random_inputs(*model, random);
        const std::vector<std::span<const std::byte>> views(inputs.begin(), inputs.end());
        const auto expected = model::run_reference_wire(model->graph(), views).value();
        concats +=
            static_cast<int>(std::ranges::count(model->graph().nodes, model::Op::concat, &model::Node::op));
        of_layers += network.concats_of_layers();
        for (const auto& step : soft::compile({model, &model->graph()}, *soft::select_kernels("plain")).steps)
            copied += step->kind() == "concat" ? 1 : 0;
        for (const auto& kernels : soft::kernel_table()) {
            if (!kernels.runs_here()) continue;
            auto recipe = soft::compile({model, &model->graph()}, kernels);
            for (const auto& step : recipe.steps)
                ++kinds[std::string(step->kind())], ++kinds[step->how()];
            soft::Plan plan(std::move(recipe), 1 + seed % 2);
            CHECK_MESSAGE(run_plan(plan, *model, inputs) == expected, kernels.name, " seed ", seed);
        }
    }
    CHECK(kinds["interpreted"] == 0);
    // Convolutions write to their places in the Concat behind them.
    CHECK(of_layers > 5);
    CHECK(copied == concats - of_layers);
    for (const char* kind : {"concat", "map", "pixel_sum", "u8 x s8 tiles, requantized",
                             "interleaved columns, requantized"})
        CHECK_MESSAGE(kinds[kind] > 5, kind);
}
