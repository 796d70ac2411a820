#include "overlays/soft/simple_steps.hpp"

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
        if (share.index != 0) return {};
        const auto* in = memory.at<const std::uint8_t>(reads[0]);
        auto* out = memory.at<std::uint8_t>(writes);
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
    MaxPoolStep(const Route& route, const Window& window)
        : Step({route.in_buffer}, route.out_buffer), window_(window) {}

    std::size_t scratch_bytes() const override { return window_.taps() * sizeof(std::uint8_t*); }

    std::string_view kind() const override { return "max_pool"; }

    Result<> run(const Memory& memory, Share share) const override {
        if (share.index != 0) return {};
        const auto* image = memory.at<const std::uint8_t>(reads[0]);
        auto* out = memory.at<std::uint8_t>(writes);
        auto** taps = reinterpret_cast<const std::uint8_t**>(memory.scratch);
        for (std::size_t pixel = 0; pixel < window_.out_pixels(); ++pixel, out += window_.channels) {
            find_taps(window_, image, pixel, nullptr, taps);
            std::fill_n(out, window_.channels, std::uint8_t{0});  // a code below which nothing is
            for (std::size_t t = 0; t < window_.taps(); ++t)
                if (taps[t])
                    for (std::size_t c = 0; c < window_.channels; ++c)
                        out[c] = std::max(out[c], taps[t][c]);
        }
        return {};
    }

  private:
    Window window_;
};

class PixelSumStep final : public Step {
  public:
    explicit PixelSumStep(const Route& route)
        : Step({route.in_buffer}, route.out_buffer),
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
        for (std::size_t pixel = 0; pixel < pixels_; ++pixel, in += channels_)
            for (std::size_t c = 0; c < channels_; ++c)
                sums[c] += in[c];
        if (out_.kind == Storage::Kind::u8) std::copy_n(sums, channels_, memory.at<std::uint8_t>(writes));
        if (out_.kind == Storage::Kind::i16) std::copy_n(sums, channels_, memory.at<std::int16_t>(writes));
        if (out_.kind == Storage::Kind::i32) std::copy_n(sums, channels_, memory.at<std::int32_t>(writes));
        return {};
    }

  private:
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

StepPtr make_max_pool_step(const Route& route, const Window& window) {
    return std::make_unique<MaxPoolStep>(route, window);
}

StepPtr make_pixel_sum_step(const Route& route) {
    return std::make_unique<PixelSumStep>(route);
}

StepPtr make_channels_first_step(const Route& route) {
    return std::make_unique<ChannelsFirstStep>(route);
}

}  // namespace fard::soft
