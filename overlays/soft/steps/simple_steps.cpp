#include "overlays/soft/steps/simple_steps.hpp"

#include <algorithm>
#include <cstring>

namespace fard::soft {
namespace {

class TableStep final : public Step {
  public:
    TableStep(const Route& route, std::vector<std::uint8_t> table)
        : Step({route.in_buffer}, route.out_buffer),
          elements_(route.in.elements()),
          channels_(table.size() / 256),
          table_(std::move(table)) {}

    std::string_view kind() const override { return "table"; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto* in = memory.at<const std::uint8_t>(reads[0]);
        auto* out = memory.at<std::uint8_t>(writes);
        if (channels_ == 1) {
            const auto part = share.of(elements_);
            for (auto i = part.begin; i < part.end; ++i)
                out[i] = table_[in[i]];
            return {};
        }
        if (share.index != 0) return {};
        for (std::size_t i = 0; i < elements_; i += channels_)
            for (std::size_t c = 0; c < channels_; ++c)
                out[i + c] = table_[c * 256 + in[i + c]];
        return {};
    }

  private:
    std::size_t elements_, channels_;
    std::vector<std::uint8_t> table_;
};

class MaxPoolStep final : public Step {
  public:
    MaxPoolStep(const Kernels& kernels, const Route& route, const Window& window)
        : Step({route.in_buffer}, route.out_buffer), kernels_(kernels), window_(window) {}

    std::size_t scratch_bytes() const override {
        return static_cast<std::size_t>(window_.kernel.height) * sizeof(std::uint8_t*);
    }

    std::string_view kind() const override { return "max_pool"; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto rows = share.of(static_cast<std::size_t>(window_.out_height));
        for (auto row = rows.begin; row < rows.end; ++row)
            run_row(memory, static_cast<std::int64_t>(row));
        return {};
    }

  private:
    void run_row(const Memory& memory, std::int64_t row) const {
        const auto* image = memory.at<const std::uint8_t>(reads[0]);
        auto** lines = reinterpret_cast<const std::uint8_t**>(memory.scratch);
        std::size_t count = 0;
        for (std::int64_t ky = 0; ky < window_.kernel.height; ++ky) {
            const auto y = row * window_.strides.height - window_.pads.top + ky * window_.dilations.height;
            if (y < 0 || y >= window_.in_height) continue;
            lines[count++] = image + static_cast<std::size_t>(y * window_.in_width) * window_.channels;
        }
        const auto width = static_cast<std::size_t>(window_.out_width);
        const auto signed_size = [](auto size) { return static_cast<std::ptrdiff_t>(size); };
        kernels_.max_row(
            {lines, count, signed_size(window_.in_width), signed_size(window_.channels),
             signed_size(-window_.pads.left), signed_size(window_.strides.width),
             signed_size(window_.kernel.width), signed_size(window_.dilations.width), width,
             memory.at<std::uint8_t>(writes) + static_cast<std::size_t>(row) * width * window_.channels});
    }

    const Kernels& kernels_;
    Window window_;
};

class PixelSumStep final : public Step {
  public:
    PixelSumStep(const Kernels& kernels, const Route& route)
        : Step({route.in_buffer}, route.out_buffer),
          kernels_(kernels),
          out_(route.out),
          pixels_(static_cast<std::size_t>(route.in.shape[1] * route.in.shape[2])),
          channels_(static_cast<std::size_t>(route.in.shape[3])),
          offset_(route.in.base * static_cast<std::int32_t>(pixels_)) {}

    std::size_t scratch_bytes() const override { return channels_ * sizeof(std::int32_t); }

    std::string_view kind() const override { return "pixel_sum"; }

    Result<> run(const Memory& memory, Share share) const override {
        if (share.index != 0) return {};
        const auto* in = memory.at<const std::uint8_t>(reads[0]);
        auto* sums = reinterpret_cast<std::int32_t*>(memory.scratch);
        std::fill_n(sums, channels_, offset_ - out_.base);
        kernels_.pixel_sums({in, pixels_, channels_, sums});
        if (out_.kind == Storage::Kind::u8) std::copy_n(sums, channels_, memory.at<std::uint8_t>(writes));
        if (out_.kind == Storage::Kind::i16) std::copy_n(sums, channels_, memory.at<std::int16_t>(writes));
        if (out_.kind == Storage::Kind::i32) std::copy_n(sums, channels_, memory.at<std::int32_t>(writes));
        return {};
    }

  private:
    const Kernels& kernels_;
    Storage out_;
    std::size_t pixels_, channels_;
    std::int32_t offset_;
};

class ChannelsFirstStep final : public Step {
  public:
    explicit ChannelsFirstStep(const Route& route)
        : Step({route.in_buffer}, route.out_buffer), in_(route.in) {}

    std::string_view kind() const override { return "channels_first"; }

    Result<> run(const Memory& memory, Share share) const override {
        if (share.index != 0) return {};
        const auto size = in_.element_bytes();
        const auto channels = static_cast<std::size_t>(in_.shape[3]);
        const auto pixels = static_cast<std::size_t>(in_.shape[1] * in_.shape[2]);
        const auto* in = memory.at<const std::byte>(reads[0]);
        auto* out = memory.at<std::byte>(writes);
        for (std::size_t n = 0; n < static_cast<std::size_t>(in_.shape[0]);
             ++n, in += pixels * channels * size)
            for (std::size_t c = 0; c < channels; ++c)
                for (std::size_t p = 0; p < pixels; ++p, out += size)
                    std::memcpy(out, in + (p * channels + c) * size, size);
        return {};
    }

  private:
    Storage in_;
};

}  // namespace

StepPtr make_table_step(const Route& route, std::vector<std::uint8_t> table) {
    return std::make_unique<TableStep>(route, std::move(table));
}

StepPtr make_max_pool_step(const Kernels& kernels, const Route& route, const Window& window) {
    return std::make_unique<MaxPoolStep>(kernels, route, window);
}

StepPtr make_pixel_sum_step(const Kernels& kernels, const Route& route) {
    return std::make_unique<PixelSumStep>(kernels, route);
}

StepPtr make_channels_first_step(const Route& route) {
    return std::make_unique<ChannelsFirstStep>(route);
}

}  // namespace fard::soft
