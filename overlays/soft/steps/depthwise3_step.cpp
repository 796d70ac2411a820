// Depthwise convolutions of up to three columns, and mean pools, by Depthwise3.
#include <fmt/format.h>

#include <algorithm>

#include "overlays/soft/steps/byte_steps.hpp"
#include "overlays/soft/steps/finish.hpp"
#include "overlays/soft/weights/byte_weights.hpp"

namespace fard::soft {
namespace {

// In the blocks' order.
AffineLanes block_lanes(const AffineTable& table, std::size_t lane_count) {
    AffineLanes lanes(table, lane_count);
    const auto channels = table.channels.size();
    for (std::size_t begin = 0; begin < channels; begin += depthwise_block(channels - begin)) {
        const auto width = depthwise_block(channels - begin), block_lanes = width / 4;
        for (std::size_t n = 0; n < width; ++n) {
            const auto channel = begin + depthwise_channel(n / block_lanes, n % block_lanes);
            if (channel < channels) lanes.place(table, channel, begin + n);
        }
    }
    return lanes;
}

class Depthwise3Step final : public Step {
  public:
    Depthwise3Step(const ByteKernels& kernels, const LinearLayer& layer, DepthwisePlanes weights,
                   AffineLanes affine)
        : Step({layer.in_buffer}, layer.out_buffer),
          kernels_(kernels),
          window_(layer.window),
          weights_(std::move(weights)),
          affine_(std::move(affine)),
          outside_(static_cast<std::size_t>(window_.in_width) * window_.channels + 64,
                   static_cast<std::uint8_t>(-layer.in.base)) {}

    std::string_view kind() const override { return "depthwise"; }
    std::string how() const override {
        return fmt::format("interleaved columns{}, {}",
                           weights_.planes > 1 ? fmt::format(" in up to {} planes", weights_.planes) : "",
                           affine_.is_exact() ? "requantized" : "affine");
    }
    std::uint64_t macs() const override { return window_.out_pixels() * window_.channels * window_.taps(); }

    Result<> run(const Memory& memory, Share share) const override {
        const auto rows = share.of(static_cast<std::size_t>(window_.out_height));
        const auto* image = memory.at<const std::uint8_t>(reads[0]);
        const auto line = static_cast<std::size_t>(window_.out_width) * window_.channels;
        for (auto row = rows.begin; row < rows.end; ++row)
            run_row(image, static_cast<std::int64_t>(row), memory.at<std::uint8_t>(writes) + row * line);
        return {};
    }

  private:
    void run_row(const std::uint8_t* image, std::int64_t row, std::uint8_t* out) const {
        const std::uint8_t* lines[4];
        for (std::int64_t ky = 0; ky < 4; ++ky) {
            const auto y = row * window_.strides.height - window_.pads.top + ky;
            const bool inside = ky < window_.kernel.height && y >= 0 && y < window_.in_height;
            lines[ky] = inside ? image + static_cast<std::size_t>(y * window_.in_width) * window_.channels
                               : outside_.data();
        }
        const auto signed_size = [](auto size) { return static_cast<std::ptrdiff_t>(size); };
        kernels_.depthwise3({lines, outside_.data(), signed_size(window_.in_width),
                             signed_size(window_.channels), signed_size(-window_.pads.left),
                             signed_size(window_.strides.width), static_cast<std::size_t>(window_.out_width),
                             weights_.weights.data(), affine_.from(0), out, window_.kernel.height <= 3,
                             weights_.planes,
                             weights_.block_planes.empty() ? nullptr : weights_.block_planes.data()});
    }

    const ByteKernels& kernels_;
    Window window_;
    DepthwisePlanes weights_;
    AffineLanes affine_;
    std::vector<std::uint8_t> outside_;  // a row of zeros
};

bool fits(const LinearLayer& layer) {
    const auto& window = layer.window;
    return layer.weights.groups > 1 && layer.weights.groups == layer.weights.channels &&
           window.channels == layer.weights.channels && window.kernel.width <= 3 &&
           window.kernel.height <= 4 && window.dilations == model::Extent2{};
}

}  // namespace

// A depthwise convolution is computed like one with a single group of all channels: a lane for each.
StepPtr make_depthwise3_step(const ByteKernels& kernels, const LinearLayer& layer,
                             std::span<const model::Range> sums) {
    if (!fits(layer)) return nullptr;
    auto packed = pack_depthwise3(layer.weights, static_cast<std::size_t>(layer.window.kernel.width));
    if (!packed) return nullptr;
    LinearLayer ungrouped = layer;
    ungrouped.weights.groups = 1;
    const auto finish = make_finish(ungrouped, sums);
    if (!finish) return nullptr;
    const auto table = make_affine_table(ungrouped.weights, *finish, sums);
    if (!table) return nullptr;
    const auto lanes = packed->weights.size() / packed->planes / 12;
    return std::make_unique<Depthwise3Step>(kernels, layer, std::move(*packed), block_lanes(*table, lanes));
}

}  // namespace fard::soft
