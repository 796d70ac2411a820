// Convolutions and matrix products by GemmBytes.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "overlays/soft/steps/byte_steps.hpp"
#include "overlays/soft/steps/finish.hpp"
#include "overlays/soft/weights/byte_weights.hpp"

namespace fard::soft {
namespace {

constexpr std::size_t copied_bytes = 128
                                     << 10;  // of one block's windows: they stay in the second-level cache
constexpr double triple_gain = 1.5;          // of three rows by two products
constexpr std::size_t tile_rows = 7;
constexpr std::int32_t largest_packed_code = triple_code * 65;  // GemmTriples: a + 64 c
constexpr std::size_t most_rows = 448;
constexpr std::size_t most_rows_with_sums = 56;  // 14 KiB of sums

std::size_t aligned(std::size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

AffineLanes panel_lanes(const BytePanels& panels, const AffineTable& table) {
    const auto groups = table.channels.size() / panels.group_channels;
    AffineLanes lanes(table, groups * panels.group_panels * byte_panel_width);
    for (std::size_t c = 0; c < table.channels.size(); ++c)
        lanes.place(table, c, panels.lane(c));
    return lanes;
}

// The smallest sum of each lane of the byte panels, where three rows of codes may be packed into two (GemmTriples);
// nothing where they may not, or there are not enough rows.
std::vector<std::int32_t> triple_sums(const LinearLayer& layer, const BytePanels& panels,
                                      std::span<const model::Range> sums) {
    const bool narrow =
        std::ranges::all_of(sums, [](auto each) { return each.max - each.min <= triple_width; });
    if (!narrow || !panels.row_factors.empty() || layer.in.width > static_cast<std::int32_t>(triple_code) ||
        layer.window.out_pixels() < triple_rows)
        return {};
    std::vector<std::int32_t> least(layer.weights.groups * panels.group_panels * byte_panel_width);
    for (std::size_t c = 0; c < sums.size(); ++c)
        least[panels.lane(c)] = static_cast<std::int32_t>(sums[c].min);
    return least;
}

// GemmBytes::narrow_groups where codes are at most `largest`.
std::size_t narrow_groups(const BytePanels& panels, std::int32_t largest) {
    std::int32_t weight = 0;
    for (const std::int32_t each : panels.weights)
        weight = std::max(weight, std::abs(each));
    const auto pair = static_cast<std::size_t>(2 * largest * weight);
    return pair == 0 ? panels.row_bytes() : std::numeric_limits<std::int16_t>::max() / pair;
}

class ByteMatrixStep final : public Step {
  public:
    ByteMatrixStep(const Kernels& kernels, const LinearLayer& layer, BytePanels panels, Finish finish,
                   std::optional<AffineLanes> affine, std::vector<std::int32_t> triple_sums, std::string why)
        : Step({layer.in_buffer}, layer.out_buffer),
          kernels_(kernels),
          window_(layer.window),
          outside_(static_cast<std::uint8_t>(-layer.in.base)),
          panels_(std::move(panels)),
          finish_(std::move(finish)),
          affine_(std::move(affine)),
          least_(std::move(triple_sums)),
          why_(std::move(why)),
          groups_(layer.weights.groups),
          group_inputs_(layer.window.channels / layer.weights.groups),
          channels_(layer.weights.channels),
          depth_(layer.weights.depth),
          pitch_(layer.pixel_pitch()),
          out_first_(layer.out_first) {
        in_place_ = groups_ == 1 && window_.dilations == model::Extent2{};
        copies_none_ = in_place_ && window_.pads == model::Pads{};
        line_pixels_ = window_.in_width;
        if (in_place_ && !copies_none_)
            line_pixels_ = std::max(window_.in_width + window_.pads.left,
                                    (window_.out_width - 1) * window_.strides.width + window_.kernel.width);
        const auto fitting = in_place_ ? most_rows : copied_bytes / panels_.row_bytes();
        block_rows_ =
            std::clamp(fitting / tile_rows * tile_rows, tile_rows, affine_ ? most_rows : most_rows_with_sums);
        const bool packs = !least_.empty();
        narrow_groups_ = narrow_groups(panels_, packs ? largest_packed_code : layer.in.width);
        if (packs) {
            block_rows_ =
                std::clamp(copied_bytes / panels_.row_bytes() / 9 * 9, std::size_t{9}, std::size_t{126});
            packed_bytes_ = aligned(block_rows_ / triple_rows * packed_rows * panels_.row_bytes());
        }
    }

    std::size_t scratch_bytes() const override {
        const auto sums = affine_ ? 0 : block_rows_ * byte_panel_width * sizeof(std::int32_t);
        return pointer_bytes() + aligned(sums) + packed_bytes_ + row_sum_bytes() + copy_bytes();
    }

    std::string_view kind() const override { return "matrix"; }
    std::string how() const override { return kernel() + why_; }
    std::uint64_t macs() const override { return window_.out_pixels() * channels_ * depth_; }

    // Threads part the output pixels where each gets enough of them, else the channels.
    Result<> run(const Memory& memory, Share share) const override {
        const auto pixels = window_.out_pixels();
        const Share whole;
        const bool by_pixels = pixels >= share.count * tile_rows * 8 || panels() < share.count;
        const auto rows = (by_pixels ? share : whole).of(pixels);
        const auto some = (by_pixels ? whole : share).of(panels());
        for (std::size_t first = rows.begin; first < rows.end; first += block_rows_)
            run_block(memory, {first, std::min(rows.end, first + block_rows_)}, some);
        return {};
    }

  private:
    std::string kernel() const {
        return products() + (panels_.row_factors.empty() ? "" : ", row sums added");
    }
    std::string products() const {
        if (!least_.empty()) return "u8 x s8 tiles, three rows of 2 bits in two, affine";
        if (affine_ && affine_->is_exact()) return "u8 x s8 tiles, requantized";
        return affine_          ? "u8 x s8 tiles, affine"
               : finish_.limits ? "u8 x s8 tiles, counted"
                                : "u8 x s8 tiles, sums";
    }
    std::size_t panels() const { return groups_ * panels_.group_panels; }
    std::size_t copy_bytes() const {
        if (copies_none_) return 0;
        if (!in_place_) return block_rows_ * panels_.row_bytes();
        const auto width =
            static_cast<std::size_t>(window_.out_width);  // a block may begin at a line's last pixel
        return static_cast<std::size_t>(strip_lines({width - 1, width - 1 + block_rows_})) * run_stride();
    }
    std::size_t pointer_bytes() const { return aligned(block_rows_ * sizeof(std::uint8_t*)); }
    std::size_t row_sum_bytes() const {
        return panels_.row_factors.empty() ? 0 : aligned(block_rows_ * sizeof(RowSum));
    }

    void run_block(const Memory& memory, Share::Part rows, Share::Part panels) const {
        auto** pointers = reinterpret_cast<const std::uint8_t**>(memory.scratch);
        auto* rest = memory.scratch + pointer_bytes();
        auto* sums = affine_ ? nullptr : reinterpret_cast<std::int32_t*>(rest);
        if (sums) rest += aligned(block_rows_ * byte_panel_width * sizeof(std::int32_t));
        auto* packed = reinterpret_cast<std::uint8_t*>(rest);
        auto* row_sums = reinterpret_cast<RowSum*>(packed + packed_bytes_);
        auto* copies = packed + packed_bytes_ + row_sum_bytes();
        const auto* image = memory.at<const std::uint8_t>(reads[0]);
        for (std::size_t p = panels.begin; p < panels.end; ++p) {
            const auto group = p / panels_.group_panels;
            if (p == panels.begin || p % panels_.group_panels == 0) {
                find_rows(image, rows, group, copies, pointers);
                if (!panels_.row_factors.empty())
                    kernels_.bytes->add_rows({pointers, rows.end - rows.begin, panels_.runs,
                                              depth_ / panels_.runs, run_stride(), panels_.low_bits,
                                              row_sums});
                if (!least_.empty())
                    kernels_.bytes->pack_triples({pointers, rows.end - rows.begin, panels_.runs,
                                                  panels_.run_groups, run_stride(), packed});
            }
            if (!least_.empty())
                multiply_triples(memory, rows, group, p % panels_.group_panels, packed);
            else
                multiply(memory, rows, group, p % panels_.group_panels, {pointers, row_sums, sums});
        }
    }

    // Of a block's rows.
    struct Rows {
        const std::uint8_t* const* pointers;
        const RowSum* row_sums;
        std::int32_t* sums;  // nullptr: bytes are made at once
    };

    void multiply(const Memory& memory, Share::Part rows, std::size_t group, std::size_t panel,
                  const Rows& block) const {
        const auto lanes = panels_.lanes(panel), count = rows.end - rows.begin;
        const auto number = group * panels_.group_panels + panel;
        auto* out = out_at(memory, rows.begin, group, panel);
        GemmBytes job{block.pointers, count,
                      panels_.runs,   panels_.run_groups,
                      run_stride(),   panels_.panel(group, panel),
                      lanes};
        job.sums = block.sums;
        if (!panels_.row_factors.empty()) {
            job.row_sums = block.row_sums;
            job.row_factors = panels_.factors(group, panel);
        }
        job.tails = panels_.tails;
        job.narrow_groups = narrow_groups_;
        job.out_stride = pitch_;
        if (affine_) {
            job.affine = affine_->from(number * byte_panel_width);
            job.out = reinterpret_cast<std::uint8_t*>(out);
        }
        kernels_.bytes->gemm(job);
        if (affine_) return;
        const auto narrow_panels = (panels_.group_channels + panel_width - 1) / panel_width;
        const auto first = group * narrow_panels + panel * (byte_panel_width / panel_width);
        for (std::size_t v = 0; v < vectors_of(lanes); ++v)
            finish_.run(kernels_, first + v, block.sums + v * count * vector_width, count,
                        out + v * panel_width * finish_.out.element_bytes(), pitch_,
                        std::min(panel_width, lanes - v * panel_width));
    }

    void multiply_triples(const Memory& memory, Share::Part rows, std::size_t group, std::size_t panel,
                          const std::uint8_t* packed) const {
        const auto number = group * panels_.group_panels + panel;
        auto* out = reinterpret_cast<std::uint8_t*>(out_at(memory, rows.begin, group, panel));
        kernels_.bytes->gemm_triples({packed, rows.end - rows.begin, panels_.runs * panels_.run_groups,
                                      panels_.panel(group, panel), least_.data() + number * byte_panel_width,
                                      panels_.lanes(panel), affine_->from(number * byte_panel_width), out,
                                      pitch_, narrow_groups_});
    }

    std::byte* out_at(const Memory& memory, std::size_t row, std::size_t group, std::size_t panel) const {
        const auto channel = out_first_ + group * panels_.group_channels + panel * byte_panel_width;
        return memory.at<std::byte>(writes) + (row * pitch_ + channel) * finish_.out.element_bytes();
    }

    // From one run of a window to the next.
    std::size_t run_stride() const {
        return in_place_ ? static_cast<std::size_t>(line_pixels_) * window_.channels : panels_.run_bytes();
    }

    void find_rows(const std::uint8_t* image, Share::Part rows, std::size_t group, std::uint8_t* copies,
                   const std::uint8_t** pointers) const {
        const auto width = static_cast<std::size_t>(window_.out_width);
        std::int64_t top = 0;  // the image row with which `image` begins
        if (in_place_ && !copies_none_) {
            top = static_cast<std::int64_t>(rows.begin / width) * window_.strides.height;
            copy_strip(image, top, strip_lines(rows), copies);
            image = copies;
        }
        auto y = static_cast<std::int64_t>(rows.begin / width) * window_.strides.height - top;
        auto column = rows.begin % width;
        for (auto pixel = rows.begin; pixel < rows.end; ++pixel) {
            const auto x = static_cast<std::int64_t>(column) * window_.strides.width;
            if (in_place_) {
                *pointers++ = image + static_cast<std::size_t>(y * line_pixels_ + x) * window_.channels;
            } else {
                *pointers++ = copies;
                copy_window(image + group * group_inputs_, y - window_.pads.top, x - window_.pads.left,
                            copies);
                copies += panels_.row_bytes();
            }
            if (++column == width) column = 0, y += window_.strides.height;
        }
    }

    void copy_window(const std::uint8_t* image, std::int64_t y, std::int64_t x, std::uint8_t* to) const {
        for (std::int64_t ky = 0; ky < window_.kernel.height; ++ky, to += panels_.run_bytes())
            copy_run(image, y + ky * window_.dilations.height, x, to);
    }

    std::int64_t strip_lines(Share::Part rows) const {
        const auto width = static_cast<std::size_t>(window_.out_width);
        const auto lines = (rows.end - 1) / width - rows.begin / width;
        return static_cast<std::int64_t>(lines) * window_.strides.height + window_.kernel.height;
    }

    // The image's lines from `top` on, counted from the padding's first, with the padding on either side.
    void copy_strip(const std::uint8_t* image, std::int64_t top, std::int64_t lines, std::uint8_t* to) const {
        const auto pixels = [&](std::int64_t count) {
            return static_cast<std::size_t>(count) * window_.channels;
        };
        for (std::int64_t y = top - window_.pads.top; lines > 0; ++y, --lines) {
            if (y < 0 || y >= window_.in_height) {
                to = std::fill_n(to, pixels(line_pixels_), outside_);
                continue;
            }
            to = std::fill_n(to, pixels(window_.pads.left), outside_);
            to = std::copy_n(image + pixels(y * window_.in_width), pixels(window_.in_width), to);
            to = std::fill_n(to, pixels(line_pixels_ - window_.pads.left - window_.in_width), outside_);
        }
    }

    void copy_run(const std::uint8_t* image, std::int64_t y, std::int64_t x, std::uint8_t* to) const {
        auto* const end = to + panels_.run_bytes();
        const bool row_inside = y >= 0 && y < window_.in_height;
        const auto* line = image;
        if (row_inside) line += static_cast<std::size_t>(y * window_.in_width) * window_.channels;
        const bool together = groups_ == 1 && window_.dilations.width == 1;
        if (row_inside && together && x >= 0 && x + window_.kernel.width <= window_.in_width) {
            to = std::copy_n(line + static_cast<std::size_t>(x) * window_.channels,
                             static_cast<std::size_t>(window_.kernel.width) * window_.channels, to);
        } else {
            for (std::int64_t kx = 0; kx < window_.kernel.width; ++kx, x += window_.dilations.width)
                to = row_inside && x >= 0 && x < window_.in_width
                         ? std::copy_n(line + static_cast<std::size_t>(x) * window_.channels, group_inputs_,
                                       to)
                         : std::fill_n(to, group_inputs_, outside_);
        }
        std::fill(to, end, std::uint8_t{0});
    }

    const Kernels& kernels_;
    Window window_;
    std::uint8_t outside_;
    BytePanels panels_;
    Finish finish_;
    std::optional<AffineLanes> affine_;
    std::vector<std::int32_t> least_;  // [panels][64]; empty: rows are not packed
    std::string why_;                  // not by popcount; empty where that is no question
    std::size_t narrow_groups_ = 0;
    std::size_t packed_bytes_ = 0;  // of a block's packed rows
    std::size_t groups_, group_inputs_, channels_, depth_, pitch_, out_first_;
    bool in_place_ = false;  // windows are read where they lie: in the image, or
    bool copies_none_ =
        false;  // unless this is set, in a copy of some of its lines with the padding around them
    std::int64_t line_pixels_ = 0;  // of the image or that copy
    std::size_t block_rows_ = 0;
};

}  // namespace

StepPtr make_byte_matrix_step(const Kernels& kernels, const LinearLayer& layer,
                              std::span<const model::Range> sums) {
    const auto runs = static_cast<std::size_t>(layer.window.kernel.height);
    const bool in_place = layer.weights.groups == 1 && layer.window.dilations == model::Extent2{};
    const bool tails =
        kernels.bytes->tails && in_place && layer.in.width > static_cast<std::int32_t>(triple_code);
    auto panels = pack_byte_panels(layer.weights, runs, tails, layer.in.width);
    if (!panels) return nullptr;
    auto finish = make_finish(layer, sums);
    if (!finish) return nullptr;
    std::optional<AffineLanes> affine;
    if (const auto table = make_affine_table(layer.weights, *finish, sums))
        affine.emplace(panel_lanes(*panels, *table));
    std::vector<std::int32_t> least;
    if (affine && !affine->is_exact()) least = triple_sums(layer, *panels, sums);
    std::string why;
    if (const auto form = bit_form(kernels, layer)) {
        const double cost = form->cost * (least.empty() ? 1 : triple_gain);
        if (cost < 1)
            return make_bit_matrix_step(
                kernels, layer, sums, *form,
                fmt::format("; u8 x s8 tiles would take {:.1f} times the time", 1 / cost));
        why = fmt::format("; popcount of {} would take {:.1f} times the time", form->name(), cost);
    }
    return std::make_unique<ByteMatrixStep>(kernels, layer, std::move(*panels), std::move(*finish),
                                            std::move(affine), std::move(least), std::move(why));
}

}  // namespace fard::soft
