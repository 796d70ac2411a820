#include "overlays/soft/steps/single_steps.hpp"

#include <algorithm>

namespace fard::soft {
namespace {

constexpr std::size_t most_rows = 256;    // output pixels whose inputs and sums stay in the second cache
constexpr std::size_t block_depth = 128;  // a panel of so many inputs stays in the first one
constexpr std::size_t few_channels = 16;  // where pixels have fewer, a row of the window is read as one
constexpr std::size_t slack = 16;         // elements that a whole vector reads beyond the last

std::size_t aligned(std::size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

std::string how_of(bool relu) {
    return relu ? "fractions, single precision, and Relu" : "fractions, single precision";
}

// What is added to the sums: constants are added first here, wherever the operator has them.
const std::vector<double>& bias_of(const FloatLayer& layer) {
    return layer.start.empty() ? layer.end : layer.start;
}

// Output channels in panels, each group's by themselves.
struct Panels {
    explicit Panels(const FloatLayer& layer)
        : group_channels(layer.channels / layer.groups),
          of_group((group_channels + single_panel_width - 1) / single_panel_width),
          depth(layer.depth),
          weights(layer.groups * of_group * depth * single_panel_width),
          start(layer.groups * of_group * single_panel_width) {
        const auto taps = layer.window.taps(), inputs = depth / taps;
        const auto& bias = bias_of(layer);
        for (std::size_t c = 0; c < layer.channels; ++c) {
            const auto place = c / group_channels * of_group * single_panel_width + c % group_channels;
            const auto panel = place / single_panel_width, lane = place % single_panel_width;
            if (!bias.empty()) start[place] = static_cast<float>(bias[c]);
            auto* to = weights.data() + panel * depth * single_panel_width + lane;
            for (std::size_t t = 0; t < taps; ++t)
                for (std::size_t i = 0; i < inputs; ++i, to += single_panel_width)
                    *to = static_cast<float>(layer.weights[c * depth + i * taps + t]);
        }
    }

    std::size_t group_channels, of_group, depth;
    AlignedVector<float> weights;  // [panels][taps][inputs][single_panel_width]
    AlignedVector<float> start;    // [panels][single_panel_width]
};

// An output pixel after the other, without a division for each.
struct Place {
    Place(const Window& window, std::size_t pixel)
        : number(pixel),
          row(static_cast<std::int64_t>(pixel) / window.out_width),
          column(static_cast<std::int64_t>(pixel) % window.out_width) {}
    void next(const Window& window) {
        ++number;
        if (++column == window.out_width) column = 0, ++row;
    }

    std::size_t number;
    std::int64_t row, column;
};

class SingleMatrixStep final : public Step {
  public:
    SingleMatrixStep(const FloatKernels& kernels, const FloatLayer& layer)
        : Step({layer.in_buffer}, layer.out_buffer),
          kernels_(kernels),
          window_(layer.window),
          groups_(layer.groups),
          channels_(layer.channels),
          pitch_(layer.out_pitch == 0 ? layer.channels : layer.out_pitch),
          out_first_(layer.out_first),
          inputs_(layer.window.channels / layer.groups),
          runs_(inputs_ < few_channels && window_.dilations.width == 1 && layer.groups == 1),
          relu_(layer.relu),
          panels_(layer),
          outside_(tap_inputs()) {}

    std::size_t scratch_bytes() const override { return pointer_bytes() + (runs_ ? most_rows * panels_.depth * sizeof(float) : 0); }
    std::string_view kind() const override { return "matrix"; }
    std::string how() const override { return how_of(relu_); }
    std::uint64_t macs() const override { return window_.out_pixels() * channels_ * panels_.depth; }

    // Threads part the output pixels where each gets enough of them, else the channels.
    Result<> run(const Memory& memory, Share share) const override {
        const auto pixels = window_.out_pixels(), panels = groups_ * panels_.of_group;
        const bool by_pixels = pixels >= share.count * 8 || panels < share.count;
        const auto rows = (by_pixels ? share : Share{}).of(pixels);
        const auto some = (by_pixels ? Share{} : share).of(panels);
        const auto blocks = (rows.end - rows.begin + most_rows - 1) / most_rows;
        for (std::size_t i = 0; i < blocks; ++i) {
            const auto block = Share{i, blocks}.of(rows.end - rows.begin);
            run_block(memory, rows.begin + block.begin, block.end - block.begin, some);
        }
        return {};
    }

  private:
    std::size_t taps() const { return runs_ ? static_cast<std::size_t>(window_.kernel.height) : window_.taps(); }
    std::size_t tap_inputs() const { return runs_ ? static_cast<std::size_t>(window_.kernel.width) * inputs_ : inputs_; }
    std::size_t pointer_bytes() const { return aligned(most_rows * taps() * sizeof(float*)); }

    void run_block(const Memory& memory, std::size_t first, std::size_t count, Share::Part panels) const {
        auto** rows = reinterpret_cast<const float**>(memory.scratch);
        for (auto p = panels.begin; p < panels.end; ++p) {
            const auto group = p / panels_.of_group, in_group = p % panels_.of_group * single_panel_width;
            if (p == panels.begin || p % panels_.of_group == 0) {
                const auto* image = memory.at<const float>(reads[0]) + group * inputs_;
                if (runs_)
                    point_to_runs(image, first, count, reinterpret_cast<float*>(memory.scratch + pointer_bytes()), rows);
                else
                    point(image, first, count, rows);
            }
            auto* out = memory.at<float>(writes) + first * pitch_ + out_first_ + group * panels_.group_channels + in_group;
            run_panel(p, rows, count, out, std::min(single_panel_width, panels_.group_channels - in_group));
        }
    }

    // A part of the depth after the other; the sums lie in the output between.
    void run_panel(std::size_t panel, const float* const* rows, std::size_t count, float* out, std::size_t lanes) const {
        const auto* weights = panels_.weights.data() + panel * panels_.depth * single_panel_width;
        const auto inputs = tap_inputs();
        const auto taps_at_once = std::max<std::size_t>(1, block_depth / inputs);
        for (std::size_t t = 0; t < taps(); t += taps_at_once)
            for (std::size_t c = 0; c < inputs; c += block_depth) {
                GemmSingles job{rows + t * count, count, std::min(taps_at_once, taps() - t), c, std::min(block_depth, inputs - c),
                                weights + (t * inputs + c) * single_panel_width, nullptr, out, pitch_, lanes, false};
                if (t == 0 && c == 0) job.start = panels_.start.data() + panel * single_panel_width;
                job.relu = relu_ && t + taps_at_once >= taps() && c + block_depth >= inputs;
                kernels_.gemm_singles(job);
            }
    }

    void point(const float* image, std::size_t first, std::size_t count, const float** rows) const {
        if (window_.is_pointwise()) {
            for (std::size_t r = 0; r < count; ++r)
                rows[r] = image + (first + r) * window_.channels;
            return;
        }
        for (Place place(window_, first); place.number < first + count; place.next(window_)) {
            auto** row = rows + place.number - first;
            for_each_tap(window_, place.row, place.column, [&](bool inside, std::size_t at) {
                *row = inside ? image + at * window_.channels : outside_.data();
                row += count;
            });
        }
    }

    // A row of the window is one tap; where it is not whole within the image it is put together in `room`.
    void point_to_runs(const float* image, std::size_t first, std::size_t count, float* room, const float** rows) const {
        const auto run = tap_inputs();
        for (Place place(window_, first); place.number < first + count; place.next(window_)) {
            const auto r = place.number - first;
            const auto top = place.row * window_.strides.height - window_.pads.top;
            const auto left = place.column * window_.strides.width - window_.pads.left;
            for (std::int64_t i = 0; i < window_.kernel.height; ++i) {
                const auto y = top + i * window_.dilations.height;
                const float* from = outside_.data();
                if (y >= 0 && y < window_.in_height) {
                    const auto* line = image + static_cast<std::size_t>(y * window_.in_width) * inputs_;
                    if (left >= 0 && left + window_.kernel.width <= window_.in_width) {
                        from = line + static_cast<std::size_t>(left) * inputs_;
                    } else {
                        put_together(line, left, room);
                        from = room;
                        room += run;
                    }
                }
                rows[static_cast<std::size_t>(i) * count + r] = from;
            }
        }
    }

    void put_together(const float* line, std::int64_t left, float* to) const {
        for (auto x = left; x < left + window_.kernel.width; ++x, to += inputs_)
            if (x >= 0 && x < window_.in_width)
                std::copy_n(line + static_cast<std::size_t>(x) * inputs_, inputs_, to);
            else
                std::fill_n(to, inputs_, 0.F);
    }

    const FloatKernels& kernels_;
    Window window_;
    std::size_t groups_, channels_, pitch_, out_first_, inputs_;
    bool runs_, relu_;
    Panels panels_;
    std::vector<float> outside_;
};

class SingleDepthwiseStep final : public Step {
  public:
    SingleDepthwiseStep(const FloatKernels& kernels, const FloatLayer& layer)
        : Step({layer.in_buffer}, layer.out_buffer),
          kernels_(kernels),
          window_(layer.window),
          channels_(layer.channels),
          pitch_(layer.out_pitch == 0 ? layer.channels : layer.out_pitch),
          out_first_(layer.out_first),
          weights_(layer.weights.size() + slack),
          start_(channels_ + slack),
          relu_(layer.relu),
          outside_(channels_ + slack) {
        std::ranges::copy(bias_of(layer), start_.begin());
        for (std::size_t c = 0; c < channels_; ++c)
            for (std::size_t t = 0; t < layer.depth; ++t)
                weights_[t * channels_ + c] = static_cast<float>(layer.weights[c * layer.depth + t]);
    }

    std::size_t scratch_bytes() const override { return window_.taps() * sizeof(float*); }
    std::string_view kind() const override { return "depthwise"; }
    std::string how() const override { return how_of(relu_); }
    std::uint64_t macs() const override { return window_.out_pixels() * channels_ * window_.taps(); }

    Result<> run(const Memory& memory, Share share) const override {
        const auto* image = memory.at<const float>(reads[0]);
        auto** taps = reinterpret_cast<const float**>(memory.scratch);
        const auto pixels = share.of(window_.out_pixels());
        for (Place place(window_, pixels.begin); place.number < pixels.end; place.next(window_)) {
            auto** tap = taps;
            for_each_tap(window_, place.row, place.column, [&](bool inside, std::size_t at) {
                *tap++ = inside ? image + at * channels_ : outside_.data();
            });
            kernels_.depthwise_singles({taps, window_.taps(), channels_, weights_.data(), start_.data(),
                                        memory.at<float>(writes) + place.number * pitch_ + out_first_, relu_});
        }
        return {};
    }

  private:
    const FloatKernels& kernels_;
    Window window_;
    std::size_t channels_, pitch_, out_first_;
    std::vector<float> weights_, start_;
    bool relu_;
    std::vector<float> outside_;
};

}  // namespace

StepPtr make_single_layer_step(const FloatKernels& kernels, const FloatLayer& layer) {
    if (layer.is_depthwise()) return std::make_unique<SingleDepthwiseStep>(kernels, layer);
    return std::make_unique<SingleMatrixStep>(kernels, layer);
}

}  // namespace fard::soft
