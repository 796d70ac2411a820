#include "bench/onednn_peer.hpp"

#include <omp.h>

#include <algorithm>
#include <cstring>
#include <dnnl.hpp>
#include <unordered_map>

#include "bench/measure.hpp"

namespace fard::bench {
namespace {

using dnnl::memory;

struct Layer {
    dnnl::convolution_forward primitive;
    std::unordered_map<int, memory> operands;
    std::string kernel;
};

// oneDNN counts the gaps between taps, where ONNX counts the steps.
dnnl::convolution_forward::primitive_desc describe(const ConvShape& shape, const dnnl::engine& engine) {
    const auto& a = shape.attributes;
    const auto channels = shape.out[1], group_in = shape.in[1] / a.group;
    memory::dims weights{channels, group_in, a.kernel.height, a.kernel.width};
    if (a.group > 1) weights = {a.group, channels / a.group, group_in, a.kernel.height, a.kernel.width};
    const auto any = memory::format_tag::any;
    // What ceil mode or uneven padding leaves over at the far end.
    const auto far_pad = [](std::int64_t out, std::int64_t stride, std::int64_t kernel, std::int64_t dilation,
                            std::int64_t in, std::int64_t near) {
        return (out - 1) * stride + (kernel - 1) * dilation + 1 - in - near;
    };
    const memory::dims near{a.pads.top, a.pads.left};
    const memory::dims far{
        far_pad(shape.out[2], a.strides.height, a.kernel.height, a.dilations.height, shape.in[2], a.pads.top),
        far_pad(shape.out[3], a.strides.width, a.kernel.width, a.dilations.width, shape.in[3], a.pads.left)};
    const dnnl::convolution_forward::desc desc(
        dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
        {shape.in, memory::data_type::u8, any}, {weights, memory::data_type::s8, any},
        {{channels}, memory::data_type::s32, memory::format_tag::x}, {shape.out, memory::data_type::u8, any},
        {a.strides.height, a.strides.width}, {a.dilations.height - 1, a.dilations.width - 1}, near, far);
    dnnl::primitive_attr attributes;
    attributes.set_output_scales(1 << 1, std::vector<float>(static_cast<std::size_t>(channels), 0.01F));
    return {desc, attributes, engine};
}

class Chain final : public OneDnnChain {
  public:
    explicit Chain(const std::vector<ConvShape>& shapes)
        : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
        std::vector<dnnl::convolution_forward::primitive_desc> descs;
        std::size_t bytes = 0;
        for (const auto& shape : shapes) {
            descs.push_back(describe(shape, engine_));
            bytes = std::max({bytes, descs.back().src_desc().get_size(), descs.back().dst_desc().get_size()});
        }
        for (auto& each : activations_)
            each.assign(bytes, 3);
        for (std::size_t i = 0; i < descs.size(); ++i) {
            auto& in = activations_[i % 2];
            auto& out = activations_[(i + 1) % 2];
            layers_.push_back({dnnl::convolution_forward(descs[i]),
                               {{DNNL_ARG_SRC, {descs[i].src_desc(), engine_, in.data()}},
                                {DNNL_ARG_WEIGHTS, filled(descs[i].weights_desc(), 5)},
                                {DNNL_ARG_BIAS, filled(descs[i].bias_desc(), 0)},
                                {DNNL_ARG_DST, {descs[i].dst_desc(), engine_, out.data()}}},
                               descs[i].impl_info_str()});
        }
    }

    double run(std::size_t layer) override {
        const auto start = BenchClock::now();
        layers_[layer].primitive.execute(stream_, layers_[layer].operands);
        stream_.wait();
        return std::chrono::duration<double, std::milli>(BenchClock::now() - start).count();
    }

    std::string kernel(std::size_t layer) const override { return layers_[layer].kernel; }

  private:
    memory filled(const memory::desc& desc, int value) const {
        memory result(desc, engine_);
        std::memset(result.get_data_handle(), value, desc.get_size());
        return result;
    }

    dnnl::engine engine_;
    dnnl::stream stream_;
    std::vector<std::uint8_t> activations_[2];
    std::vector<Layer> layers_;
};

}  // namespace

// oneDNN throws; nothing of that leaves this file but from run(), where only a bug could throw.
std::unique_ptr<OneDnnChain> open_onednn(const std::vector<ConvShape>& layers) {
    omp_set_num_threads(1);
    try {
        return std::make_unique<Chain>(layers);
    } catch (const dnnl::error& error) {
        std::fprintf(stderr, "engine: oneDNN: %s\n", error.what());
        return nullptr;
    }
}

}  // namespace fard::bench
