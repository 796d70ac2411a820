#include "overlays/soft/steps/product_step.hpp"

#include <algorithm>

#include "overlays/soft/steps/epilogue.hpp"

namespace fard::soft {
namespace {

constexpr std::size_t block_rows = 56;
constexpr int low_bits = 7;  // of row sums; factors are at most 128
constexpr std::int64_t most_row_sum = std::int64_t{1} << (15 + low_bits);

std::size_t aligned(std::size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

std::size_t extent(const model::Shape& shape, std::size_t from_end) {
    return static_cast<std::size_t>(shape[shape.size() - from_end]);
}

// Where each matrix of the output has its operand's, in matrices.
std::vector<std::size_t> places_of(const model::Shape& operand, const model::Shape& out) {
    std::size_t count = 1;
    for (std::size_t i = 0; i + 2 < out.size(); ++i)
        count *= static_cast<std::size_t>(out[i]);
    std::vector<std::size_t> places(count);
    for (std::size_t m = 0; m < count; ++m) {
        std::size_t rest = m, stride = 1;
        for (std::size_t i = 3; i <= out.size(); ++i) {
            const auto index = rest % extent(out, i);
            rest /= extent(out, i);
            if (i > operand.size()) continue;
            if (extent(operand, i) != 1) places[m] += index * stride;
            stride *= extent(operand, i);
        }
    }
    return places;
}

// With values a = x + p and b = y + q of codes x and y:
//
//   sum a b = sum x (y - 128) + (128 + q) sum x + p sum y + p q K,
//
// where y - 128 are weights of 8 bits, and the second term is what GemmBytes adds for a shift of 128 + q.
class ProductStep final : public Step {
  public:
    ProductStep(const Kernels& kernels, const Source& a, const Source& b, BufferId out_buffer,
                const Storage& out)
        : Step({a.buffer, b.buffer}, out_buffer),
          kernels_(kernels),
          a_base_(a.storage.base),
          b_base_(b.storage.base),
          out_(out),
          rows_(extent(out.shape, 2)),
          columns_(extent(out.shape, 1)),
          inner_(extent(a.storage.shape, 1)),
          groups_((inner_ + 3) / 4),
          a_places_(places_of(a.storage.shape, out.shape)),
          b_places_(places_of(b.storage.shape, out.shape)),
          factors_(byte_panel_width * 2) {
        for (std::size_t n = 0; n < byte_panel_width; ++n) {
            factors_[n * 2] = static_cast<std::int16_t>(128 + b_base_);
            factors_[n * 2 + 1] = static_cast<std::int16_t>((128 + b_base_) * (1 << low_bits));
        }
    }

    std::size_t scratch_bytes() const override {
        return panel_bytes() + block_rows * (sizeof(std::uint8_t*) + sizeof(RowSum)) + 128 +
               block_rows * byte_panel_width * sizeof(std::int32_t) + byte_panel_width * sizeof(std::int32_t);
    }
    std::string_view kind() const override { return "matrix"; }
    std::string how() const override { return "u8 x s8 tiles of two computed tensors, sums"; }
    std::uint64_t macs() const override { return a_places_.size() * rows_ * columns_ * inner_; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto panels = (columns_ + byte_panel_width - 1) / byte_panel_width;
        const auto mine = share.of(a_places_.size() * panels);
        for (auto i = mine.begin; i < mine.end; ++i)
            run_panel(memory, i / panels, i % panels * byte_panel_width);
        return {};
    }

  private:
    std::size_t panel_bytes() const { return aligned(groups_ * 4 * byte_panel_width); }

    void run_panel(const Memory& memory, std::size_t matrix, std::size_t first_column) const {
        const auto lanes = std::min(byte_panel_width, columns_ - first_column);
        auto* panel = reinterpret_cast<std::int8_t*>(memory.scratch);
        auto* sums = reinterpret_cast<std::int32_t*>(memory.scratch + panel_bytes());
        auto* offsets = sums + block_rows * byte_panel_width;
        auto** rows = reinterpret_cast<const std::uint8_t**>(offsets + byte_panel_width);
        auto* row_sums = reinterpret_cast<RowSum*>(rows + block_rows);
        pack(memory.at<const std::uint8_t>(reads[1]) + b_places_[matrix] * inner_ * columns_ + first_column,
             lanes, panel, offsets);
        const auto* a = memory.at<const std::uint8_t>(reads[0]) + a_places_[matrix] * rows_ * inner_;
        for (std::size_t first = 0; first < rows_; first += block_rows) {
            const auto count = std::min(block_rows, rows_ - first);
            for (std::size_t r = 0; r < count; ++r)
                rows[r] = a + (first + r) * inner_;
            kernels_.bytes->add_rows({rows, count, 1, inner_, 0, low_bits, row_sums});
            GemmBytes job{rows, count, 1, groups_, 0, panel, lanes};
            job.sums = sums;
            job.row_sums = row_sums;
            job.row_factors = reinterpret_cast<const std::int16_t(*)[2]>(factors_.data());
            kernels_.bytes->gemm(job);
            auto* to = memory.at<std::byte>(writes) +
                       ((matrix * rows_ + first) * columns_ + first_column) * out_.element_bytes();
            for (std::size_t v = 0; v < vectors_of(lanes); ++v)
                store_sums(out_, sums + v * count * vector_width, count, offsets + v * vector_width,
                           to + v * vector_width * out_.element_bytes(), columns_,
                           std::min(vector_width, lanes - v * vector_width));
        }
    }

    // Columns of b as a panel of weights, and what is added to their sums.
    void pack(const std::uint8_t* b, std::size_t lanes, std::int8_t* panel, std::int32_t* offsets) const {
        const auto width = vectors_of(lanes) * vector_width;
        std::fill_n(panel, groups_ * 4 * width, std::int8_t{0});
        std::fill_n(offsets, byte_panel_width, 0);
        for (std::size_t k = 0; k < inner_; ++k, b += columns_) {
            auto* to = panel + k / 4 * width * 4 + k % 4;
            for (std::size_t n = 0; n < lanes; ++n) {
                to[n * 4] = static_cast<std::int8_t>(b[n] - 128);
                offsets[n] += b[n];
            }
        }
        const auto all = a_base_ * b_base_ * static_cast<std::int32_t>(inner_);
        const auto base = out_.kind == Storage::Kind::u8 ? out_.base : 0;
        for (std::size_t n = 0; n < byte_panel_width; ++n)
            offsets[n] = offsets[n] * a_base_ + all - base;
    }

    const Kernels& kernels_;
    std::int32_t a_base_, b_base_;
    Storage out_;
    std::size_t rows_, columns_, inner_, groups_;
    std::vector<std::size_t> a_places_, b_places_;
    std::vector<std::int16_t> factors_;
};

}  // namespace

StepPtr make_product_step(const Kernels& kernels, const Source& a, const Source& b, BufferId out_buffer,
                          const Storage& out) {
    const auto fits = [](const Storage& storage) {
        return storage.kind == Storage::Kind::u8 && storage.in_graph_order() && storage.shape.size() >= 2;
    };
    if (!kernels.bytes || !fits(a.storage) || !fits(b.storage) || out.kind == Storage::Kind::f32 ||
        !out.in_graph_order() || out.shape.size() < 2)
        return nullptr;
    // Images of one channel or one pixel lie in the graph's order, but their shapes here are in another one.
    if (a.storage.channels_last || b.storage.channels_last || out.channels_last) return nullptr;
    const auto inner = a.storage.shape.back();
    if (inner * 255 >= most_row_sum || extent(a.storage.shape, 2) != extent(out.shape, 2)) return nullptr;
    return std::make_unique<ProductStep>(kernels, a, b, out_buffer, out);
}

}  // namespace fard::soft
