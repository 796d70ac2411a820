#include "overlays/soft/steps/linear_step.hpp"

#include <algorithm>

#include "overlays/soft/steps/byte_steps.hpp"
#include "overlays/soft/steps/finish.hpp"

namespace fard::soft {
namespace {

constexpr std::size_t block_bytes =
    24 << 10;  // of gathered rows: they stay in the first-level cache with a panel
constexpr std::size_t block_step = 12;
constexpr std::size_t max_block_rows = 96;

std::size_t aligned(std::size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

class MatrixStep final : public Step {
  public:
    MatrixStep(const Kernels& kernels, const LinearLayer& layer, PackedWeights packed, Finish finish)
        : Step({layer.in_buffer}, layer.out_buffer),
          kernels_(kernels),
          window_(layer.window),
          in_(layer.in),
          packed_(std::move(packed)),
          finish_(std::move(finish)),
          groups_(layer.weights.groups),
          depth_(layer.weights.depth),
          group_channels_(layer.weights.group_channels()),
          group_panels_(layer.weights.group_panels()),
          channels_(layer.weights.channels),
          pitch_(layer.pixel_pitch()),
          out_first_(layer.out_first) {
        in_place_ = window_.is_pointwise() && groups_ == 1 && depth_ == packed_.padded_depth &&
                    packed_.bytes == (in_.kind == Storage::Kind::u8);
        const std::size_t row_bytes = packed_.padded_depth * (packed_.bytes ? 1 : 2);
        block_rows_ =
            std::clamp(block_bytes / row_bytes / block_step * block_step, block_step, max_block_rows);
        sums_bytes_ = aligned(block_rows_ * panel_width * sizeof(std::int32_t));
        rows_bytes_ = aligned(block_rows_ * row_bytes);
    }

    std::size_t scratch_bytes() const override {
        return sums_bytes_ + (in_place_ ? 0 : rows_bytes_ + aligned(block_rows_ * packed_.padded_depth));
    }

    std::string_view kind() const override { return "matrix"; }
    std::string how() const override { return packed_.bytes ? "u8 x s8 blocks" : "16-bit blocks"; }
    std::uint64_t macs() const override { return window_.out_pixels() * channels_ * depth_; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto pixels = share.of(window_.out_pixels());
        for (std::size_t first = pixels.begin; first < pixels.end; first += block_rows_)
            for (std::size_t group = 0; group < groups_; ++group)
                run_block(memory, first, std::min(block_rows_, pixels.end - first), group);
        return {};
    }

  private:
    void run_block(const Memory& memory, std::size_t first, std::size_t rows, std::size_t group) const {
        const auto* a = rows_at(memory, first, rows, group);
        const std::size_t stride = in_place_ ? window_.channels : packed_.padded_depth;
        auto* sums = reinterpret_cast<std::int32_t*>(memory.scratch);
        for (std::size_t p = 0; p < group_panels_; ++p) {
            multiply(a, stride, rows, group * group_panels_ + p, sums);
            const std::size_t channel = out_first_ + group * group_channels_ + p * panel_width;
            auto* to =
                memory.at<std::byte>(writes) + (first * pitch_ + channel) * finish_.out.element_bytes();
            finish_.run(kernels_, group * group_panels_ + p, sums, rows, to, pitch_,
                        std::min(panel_width, group_channels_ - p * panel_width));
        }
    }

    // The block's windows, one after the other, as the kernel reads them.
    const std::byte* rows_at(const Memory& memory, std::size_t first, std::size_t rows,
                             std::size_t group) const {
        const auto* image = memory.at<const std::byte>(reads[0]);
        if (in_place_) return image + first * window_.channels * in_.element_bytes();
        const std::size_t group_inputs = window_.channels / groups_;
        const GatherJob job{first, rows, group * group_inputs, group_inputs, packed_.padded_depth};
        auto* gathered = memory.scratch + sums_bytes_;
        if (in_.kind == Storage::Kind::i16) {
            gather_windows(window_, job, reinterpret_cast<const std::int16_t*>(image), 0,
                           reinterpret_cast<std::int16_t*>(gathered));
            return gathered;
        }
        auto* codes = reinterpret_cast<std::uint8_t*>(packed_.bytes ? gathered : gathered + rows_bytes_);
        gather_windows(window_, job, reinterpret_cast<const std::uint8_t*>(image),
                       static_cast<std::uint8_t>(-in_.base), codes);
        if (!packed_.bytes)
            std::copy_n(codes, rows * packed_.padded_depth, reinterpret_cast<std::int16_t*>(gathered));
        return gathered;
    }

    void multiply(const std::byte* a, std::size_t stride, std::size_t rows, std::size_t panel,
                  std::int32_t* sums) const {
        const std::size_t at = panel * packed_.padded_depth * panel_width;
        if (packed_.bytes)
            kernels_.gemm_u8({reinterpret_cast<const std::uint8_t*>(a), stride, rows,
                              packed_.u8_panels.data() + at, packed_.segment_ends.data(),
                              packed_.segment_ends.size(), sums});
        else
            kernels_.gemm_i16({reinterpret_cast<const std::int16_t*>(a), stride, rows,
                               packed_.i16_panels.data() + at, packed_.padded_depth / 2, sums});
    }

    const Kernels& kernels_;
    Window window_;
    Storage in_;
    PackedWeights packed_;
    Finish finish_;
    std::size_t groups_, depth_, group_channels_, group_panels_, channels_, pitch_, out_first_;
    bool in_place_ = false;  // the image itself has the windows as rows
    std::size_t block_rows_ = 0, sums_bytes_ = 0, rows_bytes_ = 0;
};

class DepthwiseStep final : public Step {
  public:
    DepthwiseStep(const Kernels& kernels, const LinearLayer& layer, std::vector<std::int16_t> weights,
                  Finish finish, bool narrow)
        : Step({layer.in_buffer}, layer.out_buffer),
          kernels_(kernels),
          window_(layer.window),
          weights_(std::move(weights)),
          finish_(std::move(finish)),
          narrow_(narrow),
          channels_(layer.weights.channels),
          panels_((channels_ + panel_width - 1) / panel_width),
          outside_(panels_ * panel_width, static_cast<std::uint8_t>(-layer.in.base)) {}

    std::size_t scratch_bytes() const override {
        return aligned(panels_ * panel_width * sizeof(std::int32_t)) + window_.taps() * sizeof(std::uint8_t*);
    }

    std::string_view kind() const override { return "depthwise"; }
    std::string how() const override { return narrow_ ? "16-bit sums, counted" : "32-bit sums"; }
    std::uint64_t macs() const override { return window_.out_pixels() * channels_ * window_.taps(); }

    Result<> run(const Memory& memory, Share share) const override {
        const auto* image = memory.at<const std::uint8_t>(reads[0]);
        auto* sums = reinterpret_cast<std::int32_t*>(memory.scratch);
        auto** taps = reinterpret_cast<const std::uint8_t**>(
            memory.scratch + aligned(panels_ * panel_width * sizeof(std::int32_t)));
        const auto pixels = share.of(window_.out_pixels());
        for (std::size_t pixel = pixels.begin; pixel < pixels.end; ++pixel) {
            find_taps(window_, image, pixel, outside_.data(), taps);
            auto* out = memory.at<std::byte>(writes) + pixel * channels_ * finish_.out.element_bytes();
            if (narrow_)
                kernels_.depthwise16({taps, window_.taps(), weights_.data(), channels_,
                                      finish_.limits->narrow(0), finish_.limits->steps(),
                                      finish_.limits->first(), reinterpret_cast<std::uint8_t*>(out)});
            else
                run_wide(taps, sums, out);
        }
        return {};
    }

  private:
    void run_wide(const std::uint8_t* const* taps, std::int32_t* sums, std::byte* out) const {
        kernels_.depthwise32({taps, window_.taps(), weights_.data(), channels_, sums});
        for (std::size_t p = 0; p < panels_; ++p)
            finish_.run(kernels_, p, sums + p * panel_width, 1,
                        out + p * panel_width * finish_.out.element_bytes(), channels_,
                        std::min(panel_width, channels_ - p * panel_width));
    }

    const Kernels& kernels_;
    Window window_;
    std::vector<std::int16_t> weights_;
    Finish finish_;
    bool narrow_;  // all sums fit 16 bits and are counted
    std::size_t channels_, panels_;
    std::vector<std::uint8_t> outside_;  // a pixel of zeros
};

bool is_depthwise(const LinearLayer& layer) {
    return layer.weights.groups > 1 && layer.weights.groups == layer.weights.channels &&
           layer.window.channels == layer.weights.channels && layer.in.kind == Storage::Kind::u8;
}

// A depthwise convolution is computed like one with a single group of all channels: a lane for each.
StepPtr make_depthwise_step(const Kernels& kernels, LinearLayer layer, std::span<const model::Range> sums) {
    auto packed = pack_depthwise(layer.weights);
    if (!packed) return nullptr;
    layer.weights.groups = 1;
    auto finish = make_finish(layer, sums);
    if (!finish) return nullptr;
    const bool narrow = finish->limits && finish->limits->fits_16_bits();
    return std::make_unique<DepthwiseStep>(kernels, layer, std::move(*packed), std::move(*finish), narrow);
}

}  // namespace

StepPtr make_linear_step(const Kernels& kernels, const LinearLayer& layer) {
    const bool codes = layer.in.kind == Storage::Kind::u8;
    if (!codes && layer.in.kind != Storage::Kind::i16) return nullptr;
    const auto x = codes ? model::Range{0, layer.in.width} : layer.in_bounds;
    const auto sums = sum_bounds(layer.weights, x);
    const bool bytes = codes && kernels.bytes;
    if (bytes)
        if (auto step = make_depthwise3_step(*kernels.bytes, layer, sums)) return step;
    if (is_depthwise(layer))
        if (auto step = make_depthwise_step(kernels, layer, sums)) return step;
    if (bytes)
        if (auto step = make_byte_matrix_step(kernels, layer, sums)) return step;
    auto packed = pack_weights(layer.weights, x);
    if (!packed) return nullptr;
    auto finish = make_finish(layer, sums);
    if (!finish) return nullptr;
    return std::make_unique<MatrixStep>(kernels, layer, std::move(*packed), std::move(*finish));
}

}  // namespace fard::soft
