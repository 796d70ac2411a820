// Convolutions and matrix products by GemmBits.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "overlays/soft/aligned_vector.hpp"
#include "overlays/soft/steps/byte_steps.hpp"
#include "overlays/soft/steps/finish.hpp"

namespace fard::soft {
namespace {

constexpr std::size_t block_rows =
    96;  // whole tiles of six; their sums and pointers stay in the first-level cache

std::size_t aligned(std::size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

std::size_t words_of(const Window& window) {
    return (window.channels + 63) / 64;
}

struct BitPanels {
    std::size_t window_words = 0, planes = 1;
    AlignedVector<std::uint64_t> words;  // panels of [planes][window_words][lanes]
    std::vector<std::int32_t> ones;      // of all planes of each channel, up to the last panel's lanes

    const std::uint64_t* panel(std::size_t number) const {
        return words.data() + number * bit_panel_width * planes * window_words;
    }
};

// A weight of 1 is a one in all planes, of 0 in the first one.
BitPanels pack_bit_panels(const Weights& weights, const Window& window, std::size_t planes) {
    BitPanels panels{window.taps() * words_of(window), planes, {}, {}};
    panels.ones.resize(bit_lanes(weights.channels));
    panels.words.resize(panels.ones.size() * planes * panels.window_words);
    for (std::size_t c = 0; c < weights.channels; ++c) {
        const auto number = c / bit_panel_width, lane = c % bit_panel_width;
        const auto lanes = bit_lanes(std::min(bit_panel_width, weights.channels - number * bit_panel_width));
        auto* to = panels.words.data() + (panels.panel(number) - panels.words.data()) + lane;
        const auto from = weights.of(c);
        for (std::size_t k = 0; k < from.size(); ++k) {
            const auto tap = k / window.channels, channel = k % window.channels;
            const auto word = tap * words_of(window) + channel / 64;
            for (std::size_t p = 0; p < planes; ++p)
                if (from[k] > 0 || (from[k] == 0 && p == 0)) {
                    to[(p * panels.window_words + word) * lanes] |= std::uint64_t{1} << (channel % 64);
                    ++panels.ones[c];
                }
        }
    }
    return panels;
}

class BitMatrixStep final : public Step {
  public:
    BitMatrixStep(const Kernels& kernels, const LinearLayer& layer, const BitForm& form, BitPanels panels,
                  Finish finish, std::optional<AffineLanes> affine, std::string how)
        : Step({layer.in_buffer}, layer.out_buffer),
          kernels_(kernels),
          window_(layer.window),
          form_(form),
          panels_(std::move(panels)),
          finish_(std::move(finish)),
          affine_(std::move(affine)),
          how_(std::move(how)),
          outside_(static_cast<std::uint8_t>(-layer.in.base)),
          channels_(layer.weights.channels),
          depth_(layer.weights.depth),
          pitch_(layer.pixel_pitch()),
          out_first_(layer.out_first) {
        line_pixels_ = window_.in_width;
        if (window_.pads != model::Pads{})
            line_pixels_ = std::max(window_.in_width + window_.pads.left,
                                    (window_.out_width - 1) * window_.strides.width + window_.kernel.width);
        line_words_ = static_cast<std::size_t>(line_pixels_) * words_of(window_);
        plane_words_ = static_cast<std::size_t>(lines_of({0, window_.out_pixels()})) * line_words_;
    }

    std::size_t scratch_bytes() const override {
        return pointer_bytes() + sums_bytes() + form_.planes * plane_words_ * sizeof(std::uint64_t);
    }

    std::string_view kind() const override { return "matrix"; }
    std::string how() const override { return how_; }
    std::uint64_t macs() const override { return window_.out_pixels() * channels_ * depth_; }

    // Threads part the output pixels where each gets enough of them, else the channels.
    Result<> run(const Memory& memory, Share share) const override {
        const auto pixels = window_.out_pixels();
        const Share whole;
        const bool by_pixels = pixels >= share.count * block_rows || panels() < share.count;
        const auto rows = (by_pixels ? share : whole).of(pixels);
        const auto some = (by_pixels ? whole : share).of(panels());
        if (rows.begin == rows.end || some.begin == some.end) return {};
        auto* bits = reinterpret_cast<std::uint64_t*>(memory.scratch + pointer_bytes() + sums_bytes());
        pack(memory.at<const std::uint8_t>(reads[0]), rows, bits);
        const auto top = first_line(rows);
        for (std::size_t first = rows.begin; first < rows.end; first += block_rows)
            run_block(memory, {first, std::min(rows.end, first + block_rows)}, some, top, bits);
        return {};
    }

  private:
    std::size_t panels() const { return (channels_ + bit_panel_width - 1) / bit_panel_width; }
    std::size_t pointer_bytes() const { return aligned(block_rows * sizeof(std::uint64_t*)); }
    std::size_t sums_bytes() const {
        return affine_ ? 0 : block_rows * bit_panel_width * sizeof(std::int32_t);
    }

    // Lines are counted from the padding's first.
    std::int64_t first_line(Share::Part rows) const {
        return static_cast<std::int64_t>(rows.begin) / window_.out_width * window_.strides.height;
    }
    std::int64_t lines_of(Share::Part rows) const {
        const auto last = static_cast<std::int64_t>(rows.end - 1) / window_.out_width;
        return last * window_.strides.height - first_line(rows) + window_.kernel.height;
    }

    // The lines under the windows of `rows`, with the padding on either side.
    void pack(const std::uint8_t* image, Share::Part rows, std::uint64_t* bits) const {
        const auto top = first_line(rows) - window_.pads.top, count = lines_of(rows);
        if (window_.pads == model::Pads{})
            return pack_pixels(image, top * window_.in_width, count * window_.in_width, bits);
        for (auto y = top; y < top + count; ++y, bits += line_words_) {
            const bool inside = y >= 0 && y < window_.in_height;
            const auto left = inside ? window_.pads.left : line_pixels_;
            fill(bits, 0, left);
            if (!inside) continue;
            pack_pixels(image, y * window_.in_width, window_.in_width,
                        bits + static_cast<std::size_t>(left) * words_of(window_));
            fill(bits, left + window_.in_width, line_pixels_);
        }
    }

    void pack_pixels(const std::uint8_t* image, std::int64_t first, std::int64_t count,
                     std::uint64_t* to) const {
        kernels_.bits->pack({image + static_cast<std::size_t>(first) * window_.channels,
                             static_cast<std::size_t>(count), window_.channels, form_.first_bit, form_.planes,
                             to, plane_words_});
    }

    // Pixels `begin` .. `end` of the line at `bits`: zeros, as codes.
    void fill(std::uint64_t* bits, std::int64_t begin, std::int64_t end) const {
        const auto words = words_of(window_);
        const auto last = ~std::uint64_t{0} >> (words * 64 - window_.channels);
        for (std::size_t plane = 0; plane < form_.planes; ++plane, bits += plane_words_) {
            const bool ones = (outside_ >> (form_.first_bit + plane) & 1) != 0;
            for (auto i = static_cast<std::size_t>(begin) * words; i < static_cast<std::size_t>(end) * words;
                 ++i)
                bits[i] = !ones ? 0 : i % words + 1 == words ? last : ~std::uint64_t{0};
        }
    }

    void run_block(const Memory& memory, Share::Part rows, Share::Part panels, std::int64_t top,
                   const std::uint64_t* bits) const {
        auto** pointers = reinterpret_cast<const std::uint64_t**>(memory.scratch);
        auto* sums = affine_ ? nullptr : reinterpret_cast<std::int32_t*>(memory.scratch + pointer_bytes());
        const auto count = rows.end - rows.begin;
        for (std::size_t i = 0; i < count; ++i) {
            const auto pixel = static_cast<std::int64_t>(rows.begin + i);
            const auto y = pixel / window_.out_width * window_.strides.height - top,
                       x = pixel % window_.out_width * window_.strides.width;
            pointers[i] = bits + static_cast<std::size_t>(y * line_pixels_ + x) * words_of(window_);
        }
        for (std::size_t p = panels.begin; p < panels.end; ++p) {
            const auto channel = p * bit_panel_width;
            const auto lanes = std::min(bit_panel_width, channels_ - channel);
            auto* out = memory.at<std::byte>(writes) +
                        (rows.begin * pitch_ + out_first_ + channel) * finish_.out.element_bytes();
            GemmBits job{pointers, count};
            job.runs = static_cast<std::size_t>(window_.kernel.height);
            job.run_words = static_cast<std::size_t>(window_.kernel.width) * words_of(window_);
            job.run_stride = line_words_;
            job.planes = form_.planes, job.plane_stride = plane_words_;
            job.panel = panels_.panel(p), job.weight_planes = panels_.planes;
            job.lanes = lanes;
            job.totals = panels_.ones.data() + channel;
            job.shift = form_.shift;
            job.out_stride = pitch_;
            job.sums = sums;
            if (affine_) job.affine = affine_->from(channel), job.out = reinterpret_cast<std::uint8_t*>(out);
            kernels_.bits->gemm(job);
            if (!affine_) finish(p, sums, count, lanes, out);
        }
    }

    void finish(std::size_t panel, const std::int32_t* sums, std::size_t count, std::size_t lanes,
                std::byte* out) const {
        for (std::size_t v = 0; v < vectors_of(lanes); ++v)
            finish_.run(kernels_, panel * (bit_panel_width / panel_width) + v,
                        sums + v * count * vector_width, count,
                        out + v * panel_width * finish_.out.element_bytes(), pitch_,
                        std::min(panel_width, lanes - v * panel_width));
    }

    const Kernels& kernels_;
    Window window_;
    BitForm form_;
    BitPanels panels_;
    Finish finish_;
    std::optional<AffineLanes> affine_;
    std::string how_;
    std::uint8_t outside_;
    std::size_t channels_, depth_, pitch_, out_first_;
    std::int64_t line_pixels_ = 0;                  // with the padding
    std::size_t line_words_ = 0, plane_words_ = 0;  // of the packed image
};

}  // namespace

StepPtr make_bit_matrix_step(const Kernels& kernels, const LinearLayer& layer,
                             std::span<const model::Range> sums, const BitForm& form,
                             const std::string& why) {
    auto finish = make_finish(layer, sums);
    if (!finish) return nullptr;
    std::optional<AffineLanes> affine;
    if (const auto table = make_affine_table(layer.weights, *finish, sums)) {
        affine.emplace(*table, bit_lanes(layer.weights.channels));
        for (std::size_t c = 0; c < layer.weights.channels; ++c)
            affine->place(*table, c, c);
    }
    auto panels = pack_bit_panels(layer.weights, layer.window, form.weight_planes);
    for (auto& ones : panels.ones)
        ones *= (1 << form.planes) - 1;
    return std::make_unique<BitMatrixStep>(kernels, layer, form, std::move(panels), std::move(*finish),
                                           std::move(affine), "popcount, " + form.name() + why);
}

}  // namespace fard::soft
