#include "overlays/soft/steps/window.hpp"

#include <algorithm>
#include <cstring>

namespace fard::soft {
namespace {

template <typename T>
class Gatherer {
  public:
    Gatherer(const Window& window, const GatherJob& job, const T* image, T outside)
        : window_(window), job_(job), image_(image), outside_(outside) {
        whole_rows_ = window.dilations.width == 1 && job.channels == window.channels;
    }

    void run(T* rows) const {
        for (std::size_t i = 0; i < job_.count; ++i) {
            const auto pixel = static_cast<std::int64_t>(job_.first + i);
            T* to = gather(pixel / window_.out_width, pixel % window_.out_width, rows + i * job_.stride);
            std::fill(to, rows + (i + 1) * job_.stride, T{0});
        }
    }

  private:
    T* gather(std::int64_t out_y, std::int64_t out_x, T* to) const {
        const auto left = out_x * window_.strides.width - window_.pads.left;
        const bool inside = left >= 0 && left + window_.kernel.width <= window_.in_width;
        for (std::int64_t ky = 0; ky < window_.kernel.height; ++ky) {
            const auto y = out_y * window_.strides.height - window_.pads.top + ky * window_.dilations.height;
            if (y < 0 || y >= window_.in_height)
                to =
                    std::fill_n(to, static_cast<std::size_t>(window_.kernel.width) * job_.channels, outside_);
            else if (whole_rows_ && inside)
                to = std::copy_n(pixel(y, left),
                                 static_cast<std::size_t>(window_.kernel.width) * job_.channels, to);
            else
                to = gather_row(y, left, to);
        }
        return to;
    }

    T* gather_row(std::int64_t y, std::int64_t left, T* to) const {
        for (std::int64_t kx = 0; kx < window_.kernel.width; ++kx) {
            const auto x = left + kx * window_.dilations.width;
            to = x < 0 || x >= window_.in_width ? std::fill_n(to, job_.channels, outside_)
                                                : std::copy_n(pixel(y, x), job_.channels, to);
        }
        return to;
    }

    const T* pixel(std::int64_t y, std::int64_t x) const {
        return image_ + static_cast<std::size_t>(y * window_.in_width + x) * window_.channels +
               job_.first_channel;
    }

    const Window& window_;
    const GatherJob& job_;
    const T* image_;
    T outside_;
    bool whole_rows_;  // the taps of a kernel row lie together
};

}  // namespace

bool Window::is_pointwise() const {
    return kernel == model::Extent2{} && strides == model::Extent2{} && pads == model::Pads{} &&
           in_height == out_height && in_width == out_width;
}

Window window_of(const model::Shape& in, const model::Shape& out, const model::Extent2& kernel,
                 const model::Extent2& strides, const model::Extent2& dilations, const model::Pads& pads) {
    return {in[1], in[2], out[1], out[2], kernel, strides, dilations, pads, static_cast<std::size_t>(in[3])};
}

void find_taps(const Window& window, const std::uint8_t* image, std::size_t pixel,
               const std::uint8_t* outside, const std::uint8_t** taps) {
    const auto out_y = static_cast<std::int64_t>(pixel) / window.out_width;
    const auto out_x = static_cast<std::int64_t>(pixel) % window.out_width;
    for (std::int64_t ky = 0; ky < window.kernel.height; ++ky) {
        const auto y = out_y * window.strides.height - window.pads.top + ky * window.dilations.height;
        for (std::int64_t kx = 0; kx < window.kernel.width; ++kx) {
            const auto x = out_x * window.strides.width - window.pads.left + kx * window.dilations.width;
            const bool inside = y >= 0 && y < window.in_height && x >= 0 && x < window.in_width;
            *taps++ = inside ? image + static_cast<std::size_t>(y * window.in_width + x) * window.channels
                             : outside;
        }
    }
}

void gather_windows(const Window& window, const GatherJob& job, const std::uint8_t* image,
                    std::uint8_t outside, std::uint8_t* rows) {
    Gatherer(window, job, image, outside).run(rows);
}

void gather_windows(const Window& window, const GatherJob& job, const std::int16_t* image,
                    std::int16_t outside, std::int16_t* rows) {
    Gatherer(window, job, image, outside).run(rows);
}

}  // namespace fard::soft
