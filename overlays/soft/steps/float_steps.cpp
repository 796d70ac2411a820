#include "overlays/soft/steps/float_steps.hpp"

#include <algorithm>
#include <cmath>

#include "overlays/soft/steps/single_steps.hpp"

namespace fard::soft {
namespace {

constexpr std::size_t block_bytes = 192 << 10;  // of gathered rows
constexpr std::size_t most_rows = 240, tile_rows = 12;

std::size_t aligned(std::size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

// [groups * panels of a group][depth][float_panel_width].
AlignedVector<double> pack_panels(const FloatLayer& layer, std::size_t group_channels,
                                  std::size_t group_panels) {
    AlignedVector<double> packed(layer.groups * group_panels * layer.depth * float_panel_width);
    for (std::size_t c = 0; c < layer.channels; ++c) {
        const auto panel = c / group_channels * group_panels + c % group_channels / float_panel_width;
        auto* to =
            packed.data() + panel * layer.depth * float_panel_width + c % group_channels % float_panel_width;
        for (std::size_t k = 0; k < layer.depth; ++k)
            to[k * float_panel_width] = layer.weights[c * layer.depth + k];
    }
    return packed;
}

std::vector<double> pack_constants(const std::vector<double>& list, std::size_t channels,
                                   std::size_t group_channels, std::size_t group_panels) {
    std::vector<double> packed(channels / group_channels * group_panels * float_panel_width);
    for (std::size_t c = 0; c < list.size(); ++c)
        packed[(c / group_channels * group_panels) * float_panel_width + c % group_channels] = list[c];
    return packed;
}

class FloatMatrixStep final : public Step {
  public:
    FloatMatrixStep(const FloatKernels& kernels, const FloatLayer& layer)
        : Step({layer.in_buffer}, layer.out_buffer),
          kernels_(kernels),
          window_(layer.window),
          groups_(layer.groups),
          channels_(layer.channels),
          depth_(layer.depth),
          group_channels_(layer.channels / layer.groups),
          group_panels_((group_channels_ + float_panel_width - 1) / float_panel_width),
          panels_(pack_panels(layer, group_channels_, group_panels_)),
          start_(pack_constants(layer.start, channels_, group_channels_, group_panels_)),
          relu_(layer.relu),
          has_end_(!layer.end.empty()),
          end_(pack_constants(layer.end, channels_, group_channels_, group_panels_)) {
        block_rows_ =
            std::clamp(block_bytes / (depth_ * sizeof(double)) / tile_rows * tile_rows, tile_rows, most_rows);
    }

    std::size_t scratch_bytes() const override { return aligned(block_rows_ * depth_ * sizeof(double)); }
    std::string_view kind() const override { return "matrix"; }
    std::string how() const override {
        return relu_ ? "fractions, summed in double, and Relu" : "fractions, summed in double";
    }
    std::uint64_t macs() const override { return window_.out_pixels() * channels_ * depth_; }

    // Threads part the output pixels where each gets enough of them, else the channels.
    Result<> run(const Memory& memory, Share share) const override {
        const auto pixels = window_.out_pixels(), panels = groups_ * group_panels_;
        const bool by_pixels = pixels >= share.count * tile_rows || panels < share.count;
        const auto rows = (by_pixels ? share : Share{}).of(pixels);
        const auto some = (by_pixels ? Share{} : share).of(panels);
        for (auto first = rows.begin; first < rows.end; first += block_rows_)
            run_block(memory, first, std::min(block_rows_, rows.end - first), some);
        return {};
    }

  private:
    void run_block(const Memory& memory, std::size_t first, std::size_t count, Share::Part panels) const {
        auto* rows = reinterpret_cast<double*>(memory.scratch);
        for (auto p = panels.begin; p < panels.end; ++p) {
            const auto group = p / group_panels_, in_group = p % group_panels_ * float_panel_width;
            if (p == panels.begin || p % group_panels_ == 0)
                gather(memory.at<const float>(reads[0]), first, count, group, rows);
            kernels_.gemm({rows, count, window_.taps(), window_.channels / groups_,
                           panels_.data() + p * depth_ * float_panel_width,
                           start_.data() + p * float_panel_width,
                           has_end_ ? end_.data() + p * float_panel_width : nullptr,
                           memory.at<float>(writes) + first * channels_ + group * group_channels_ + in_group,
                           channels_, std::min(float_panel_width, group_channels_ - in_group), relu_});
        }
    }

    // Windows as double, in the order row, column, channel.
    void gather(const float* image, std::size_t first, std::size_t count, std::size_t group,
                double* to) const {
        const auto inputs = window_.channels / groups_;
        for (auto pixel = first; pixel < first + count; ++pixel)
            for_each_tap(window_, pixel, [&](bool inside, std::size_t at) {
                const auto* from = image + at * window_.channels + group * inputs;
                if (inside)
                    std::copy_n(from, inputs, to);
                else
                    std::fill_n(to, inputs, 0.);
                to += inputs;
            });
    }

    const FloatKernels& kernels_;
    Window window_;
    std::size_t groups_, channels_, depth_, group_channels_, group_panels_;
    AlignedVector<double> panels_;
    std::vector<double> start_;  // [panels][float_panel_width], as end_
    bool relu_, has_end_;
    std::vector<double> end_;
    std::size_t block_rows_ = 0;
};

class FloatDepthwiseStep final : public Step {
  public:
    FloatDepthwiseStep(const FloatKernels& kernels, FloatLayer layer)
        : Step({layer.in_buffer}, layer.out_buffer),
          kernels_(kernels),
          window_(layer.window),
          channels_(layer.channels),
          weights_(layer.weights.size()),
          start_(std::move(layer.start)),
          relu_(layer.relu),
          outside_(channels_) {
        start_.resize(channels_);
        for (std::size_t c = 0; c < channels_; ++c)
            for (std::size_t t = 0; t < layer.depth; ++t)
                weights_[t * channels_ + c] = layer.weights[c * layer.depth + t];
    }

    std::size_t scratch_bytes() const override { return window_.taps() * sizeof(float*); }
    std::string_view kind() const override { return "depthwise"; }
    std::string how() const override {
        return relu_ ? "fractions, summed in double, and Relu" : "fractions, summed in double";
    }
    std::uint64_t macs() const override { return window_.out_pixels() * channels_ * window_.taps(); }

    Result<> run(const Memory& memory, Share share) const override {
        const auto* image = memory.at<const float>(reads[0]);
        auto** taps = reinterpret_cast<const float**>(memory.scratch);
        const auto pixels = share.of(window_.out_pixels());
        for (auto pixel = pixels.begin; pixel < pixels.end; ++pixel) {
            auto** tap = taps;
            for_each_tap(window_, pixel, [&](bool inside, std::size_t at) {
                *tap++ = inside ? image + at * channels_ : outside_.data();
            });
            kernels_.depthwise({taps, window_.taps(), channels_, weights_.data(), start_.data(),
                                memory.at<float>(writes) + pixel * channels_, relu_});
        }
        return {};
    }

  private:
    const FloatKernels& kernels_;
    Window window_;
    std::size_t channels_;
    std::vector<double> weights_, start_;
    bool relu_;
    std::vector<float> outside_;
};

class FloatPoolStep final : public Step {
  public:
    FloatPoolStep(const FloatKernels& kernels, const model::PoolAttributes& attributes, bool average, BufferId in_buffer,
                  const Storage& in, BufferId out_buffer, const Storage& out)
        : Step({in_buffer}, out_buffer),
          kernels_(kernels),
          attributes_(attributes),
          average_(average),
          in_(in.shape),
          out_(out.shape) {}

    // Sums of a mean, or the pixels under the window.
    std::size_t scratch_bytes() const override {
        if (average_) return channels() * sizeof(double);
        return static_cast<std::size_t>(attributes_.kernel.height * attributes_.kernel.width) * sizeof(float*);
    }
    std::string_view kind() const override { return average_ ? "average_pool" : "max_pool"; }
    std::string how() const override { return "fractions"; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto rows = share.of(static_cast<std::size_t>(out_[0] * out_[1]));
        for (auto row = rows.begin; row < rows.end; ++row) {
            const auto* image =
                memory.at<const float>(reads[0]) + row / static_cast<std::size_t>(out_[1]) *
                                                       static_cast<std::size_t>(in_[1] * in_[2]) * channels();
            auto* to = memory.at<float>(writes) + row * static_cast<std::size_t>(out_[2]) * channels();
            const auto y =
                static_cast<std::int64_t>(row) % out_[1] * attributes_.strides.height - attributes_.pads.top;
            for (std::int64_t x = 0; x < out_[2]; ++x, to += channels())
                run_pixel(image, y, x * attributes_.strides.width - attributes_.pads.left, memory.scratch, to);
        }
        return {};
    }

  private:
    std::size_t channels() const { return static_cast<std::size_t>(in_[3]); }

    // Calls visit(pixel) for each pixel under the window, in the order of its rows; returns by what a mean is divided.
    template <typename Visit>
    std::int64_t visit_window(const float* image, std::int64_t top, std::int64_t left, Visit visit) const {
        std::int64_t count = 0;
        for (std::int64_t i = 0; i < attributes_.kernel.height; ++i)
            for (std::int64_t j = 0; j < attributes_.kernel.width; ++j) {
                const auto y = top + i * attributes_.dilations.height,
                           x = left + j * attributes_.dilations.width;
                const bool inside = y >= 0 && y < in_[1] && x >= 0 && x < in_[2];
                const bool padding =
                    !inside && y < in_[1] + attributes_.pads.bottom && x < in_[2] + attributes_.pads.right;
                if (inside || (padding && attributes_.count_include_pad)) ++count;
                if (inside) visit(image + static_cast<std::size_t>(y * in_[2] + x) * channels());
            }
        return count;
    }

    void run_pixel(const float* image, std::int64_t top, std::int64_t left, std::byte* scratch, float* to) const {
        const auto channels = this->channels();
        if (!average_) {
            auto** taps = reinterpret_cast<const float**>(scratch);
            std::size_t count = 0;
            visit_window(image, top, left, [&](const float* pixel) { taps[count++] = pixel; });
            return kernels_.max({taps, count, channels, to});
        }
        auto* sums = reinterpret_cast<double*>(scratch);
        std::fill_n(sums, channels, 0.);
        const auto count = visit_window(image, top, left, [&](const float* pixel) { kernels_.add({sums, pixel, channels}); });
        for (std::size_t c = 0; c < channels; ++c)
            to[c] = static_cast<float>(sums[c] / static_cast<double>(count));
    }

    const FloatKernels& kernels_;
    model::PoolAttributes attributes_;
    bool average_;
    model::Shape in_, out_;
};

class FloatMapStep final : public Step {
  public:
    FloatMapStep(std::string_view kind, RowFunction of_row, BufferId in_buffer, BufferId out_buffer,
                 const Storage& out)
        : Step({in_buffer}, out_buffer),
          kind_(kind),
          of_row_(std::move(of_row)),
          row_(out.shape.empty() ? 1 : static_cast<std::size_t>(out.shape.back())),
          rows_(out.elements() / row_) {}

    std::size_t scratch_bytes() const override { return row_ * sizeof(double); }
    std::string_view kind() const override { return kind_; }
    std::string how() const override { return "fractions"; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto rows = share.of(rows_);
        for (auto row = rows.begin; row < rows.end; ++row)
            of_row_(memory.at<const float>(reads[0]) + row * row_, memory.at<float>(writes) + row * row_,
                    row_, reinterpret_cast<double*>(memory.scratch));
        return {};
    }

  private:
    std::string_view kind_;
    RowFunction of_row_;
    std::size_t row_, rows_;
};

class FloatPairStep final : public Step {
  public:
    FloatPairStep(model::Op op, BufferId a, BufferId b, BufferId out_buffer, const Storage& out)
        : Step({a, b}, out_buffer), op_(op), count_(out.elements()) {}

    std::string_view kind() const override { return "sum"; }
    std::string how() const override { return "fractions"; }

    // In double and rounded once more these are the same, as double has more than twice the digits.
    Result<> run(const Memory& memory, Share share) const override {
        const auto part = share.of(count_);
        const auto *a = memory.at<const float>(reads[0]), *b = memory.at<const float>(reads[1]);
        auto* out = memory.at<float>(writes);
        for (auto i = part.begin; i < part.end; ++i)
            out[i] = op_ == model::Op::add   ? a[i] + b[i]
                     : op_ == model::Op::sub ? a[i] - b[i]
                     : op_ == model::Op::mul ? a[i] * b[i]
                                             : a[i] / b[i];
        return {};
    }

  private:
    model::Op op_;
    std::size_t count_;
};

}  // namespace

StepPtr make_float_layer_step(const FloatKernels& kernels, FloatLayer layer) {
    if (!layer.exact) return make_single_layer_step(kernels, layer);
    if (layer.is_depthwise() && layer.end.empty()) return std::make_unique<FloatDepthwiseStep>(kernels, std::move(layer));
    return std::make_unique<FloatMatrixStep>(kernels, layer);
}

StepPtr make_float_pool_step(const FloatKernels& kernels, const model::PoolAttributes& attributes, bool average,
                             BufferId in_buffer, const Storage& in, BufferId out_buffer, const Storage& out) {
    return std::make_unique<FloatPoolStep>(kernels, attributes, average, in_buffer, in, out_buffer, out);
}

StepPtr make_float_map_step(std::string_view kind, RowFunction of_row, BufferId in_buffer,
                            BufferId out_buffer, const Storage& out) {
    return std::make_unique<FloatMapStep>(kind, std::move(of_row), in_buffer, out_buffer, out);
}

StepPtr make_float_pair_step(model::Op op, BufferId a, BufferId b, BufferId out_buffer, const Storage& out) {
    return std::make_unique<FloatPairStep>(op, a, b, out_buffer, out);
}

}  // namespace fard::soft
