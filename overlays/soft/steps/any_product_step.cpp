#include "overlays/soft/steps/any_product_step.hpp"

#include <algorithm>
#include <type_traits>

namespace fard::soft {
namespace {

constexpr std::size_t block_rows = 48;
constexpr std::size_t width = single_panel_width;  // columns at a time

std::size_t aligned(std::size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

// The last two dimensions of an operand, and where its matrices lie.
struct Side {
    Side(const Feed& feed, bool transposed, bool is_vector_row, const model::Shape& batches) : reader(feed) {
        auto shape = graph_shape(reader.storage());
        auto strides = strides_of(reader.storage());
        while (shape.size() < 2) {  // a row in front, a column behind
            const auto at = is_vector_row ? 0 : static_cast<std::ptrdiff_t>(shape.size());
            shape.insert(shape.begin() + at, 1);
            strides.insert(strides.begin() + at, 0);
        }
        const auto rank = shape.size();
        rows = static_cast<std::size_t>(shape[rank - 2]), columns = static_cast<std::size_t>(shape[rank - 1]);
        row_stride = strides[rank - 2], column_stride = strides[rank - 1];
        if (transposed) std::swap(rows, columns), std::swap(row_stride, column_stride);
        places.resize(model::elements(batches));
        for (std::size_t m = 0; m < places.size(); ++m) {
            std::size_t rest = m;
            for (std::size_t i = batches.size(), own = rank - 2; i-- > 0;) {
                const auto index = rest % static_cast<std::size_t>(batches[i]);
                rest /= static_cast<std::size_t>(batches[i]);
                if (own == 0) break;
                if (shape[--own] != 1) places[m] += index * strides[own];
            }
        }
    }

    void read_row(const Memory& memory, std::size_t matrix, std::size_t row, std::size_t column, double* to,
                  std::size_t count) const {
        reader.read(memory, places[matrix] + row * row_stride + column * column_stride, column_stride, to, count);
    }

    Reader reader;
    std::size_t rows = 1, columns = 1, row_stride = 0, column_stride = 0;
    std::vector<std::size_t> places;  // of each matrix of the result
};

// The result as matrices: ONNX drops the dimension that a vector has not.
model::Shape batches_of(const Product& product, const model::Shape& out) {
    const auto dropped = static_cast<std::size_t>(product.a.shape.size() == 1) + static_cast<std::size_t>(product.b.shape.size() == 1);
    return {out.begin(), out.end() - static_cast<std::ptrdiff_t>(2 - dropped)};
}

std::vector<Feed> feeds_of(const Product& product) {
    std::vector<Feed> feeds{product.a, product.b};
    if (product.c) feeds.push_back(*product.c);
    return feeds;
}

class AnyProductStep final : public Step {
  public:
    AnyProductStep(const FloatKernels& kernels, const Product& product, const Outcome& outcome)
        : Step(soft::buffers_of(feeds_of(product)), outcome.buffer),
          kernels_(kernels),
          batches_(batches_of(product, outcome.tensor.shape)),
          a_(product.a, product.transpose_a, true, batches_),
          b_(product.b, product.transpose_b, false, batches_),
          alpha_(product.alpha),
          beta_(product.beta),
          single_(!product.exact && outcome.storage.kind == Storage::Kind::f32),
          as_they_are_(outcome.storage.kind == Storage::Kind::f32 && alpha_ == 1 && !product.c),
          writer_(outcome) {
        if (product.c) c_.emplace(*product.c, false, true, batches_);
        lay_out_result(outcome, product);
    }

    std::string_view kind() const override { return "matrix"; }
    std::string how() const override {
        return single_ ? "any two tensors, single precision" : "any two tensors, summed in double";
    }
    std::uint64_t macs() const override { return places_.size() * a_.rows * b_.columns * a_.columns; }
    std::size_t scratch_bytes() const override { return room({}).bytes; }

    Result<> run(const Memory& memory, Share share) const override {
        const auto panels = (b_.columns + width - 1) / width;
        const auto own = share.of(places_.size() * panels);
        for (auto i = own.begin; i < own.end; ++i)
            if (auto done = run_panel(memory, i / panels, i % panels * width); !done) return done;
        return {};
    }

  private:
    struct Room {
        std::byte *panel, *rows;  // of floats, or of doubles
        const float** pointers;
        float* results;                // [block_rows][width]
        double *line, *sums, *addend;  // of one row
        std::size_t bytes;
    };

    Room room(std::byte* base) const {
        Room room{};
        const auto take = [&](std::size_t bytes) {
            auto* place = base + room.bytes;
            room.bytes += aligned(bytes);
            return place;
        };
        const auto element = single_ ? sizeof(float) : sizeof(double);
        room.panel = take(inner() * width * element);
        room.rows = take(block_rows * inner() * element);
        room.pointers = reinterpret_cast<const float**>(take(block_rows * sizeof(float*)));
        room.results = reinterpret_cast<float*>(take(block_rows * width * sizeof(float)));
        room.line = reinterpret_cast<double*>(take(std::max(inner(), width) * sizeof(double)));
        room.sums = reinterpret_cast<double*>(take(width * sizeof(double)));
        room.addend = reinterpret_cast<double*>(take(width * sizeof(double)));
        return room;
    }

    std::size_t inner() const { return a_.columns; }

    void lay_out_result(const Outcome& outcome, const Product& product) {
        const auto strides = strides_of(outcome.storage);
        auto behind = strides.begin() + static_cast<std::ptrdiff_t>(batches_.size());
        if (product.a.shape.size() != 1) out_row_ = *behind++;
        if (product.b.shape.size() != 1) out_column_ = *behind;
        places_.resize(model::elements(batches_));
        for (std::size_t m = 0; m < places_.size(); ++m) {
            std::size_t rest = m;
            for (std::size_t i = batches_.size(); i-- > 0; rest /= static_cast<std::size_t>(batches_[i]))
                places_[m] += rest % static_cast<std::size_t>(batches_[i]) * strides[i];
        }
    }

    Result<> run_panel(const Memory& memory, std::size_t matrix, std::size_t column) const {
        const auto room = this->room(memory.scratch);
        const auto lanes = std::min(width, b_.columns - column);
        single_ ? pack<float>(memory, matrix, column, lanes, room) : pack<double>(memory, matrix, column, lanes, room);
        for (std::size_t first = 0; first < a_.rows; first += block_rows) {
            const auto count = std::min(block_rows, a_.rows - first);
            if (single_)
                add_singles(memory, matrix, first, count, lanes, room);
            else
                gather<double>(memory, matrix, first, count, room);
            if (!single_ && as_they_are_) add_floats(count, lanes, room);
            for (std::size_t r = 0; r < count; ++r) {
                if (single_ || as_they_are_)
                    std::copy_n(room.results + r * width, lanes, room.sums);
                else
                    add_row(reinterpret_cast<const double*>(room.rows) + r * inner(), room);
                finish(memory, matrix, first + r, column, lanes, room);
                const auto at = places_[matrix] + (first + r) * out_row_ + column * out_column_;
                if (auto done = writer_.write(memory.at<std::byte>(writes), at, out_column_, room.sums, lanes); !done) return done;
            }
        }
        return {};
    }

    // Columns of b side by side: as one panel of floats, or as two of doubles.
    template <typename Real>
    void pack(const Memory& memory, std::size_t matrix, std::size_t column, std::size_t lanes, const Room& room) const {
        constexpr std::size_t panel_width = std::is_same_v<Real, float> ? width : float_panel_width;
        auto* panel = reinterpret_cast<Real*>(room.panel);
        std::fill_n(room.line, width, 0.);
        for (std::size_t k = 0; k < inner(); ++k) {
            b_.read_row(memory, matrix, k, column, room.line, lanes);
            for (std::size_t first = 0; first < width; first += panel_width)
                for (std::size_t n = 0; n < panel_width; ++n)
                    panel[first * inner() + k * panel_width + n] = static_cast<Real>(room.line[first + n]);
        }
    }

    template <typename Real>
    void gather(const Memory& memory, std::size_t matrix, std::size_t first, std::size_t count, const Room& room) const {
        auto* rows = reinterpret_cast<Real*>(room.rows);
        for (std::size_t r = 0; r < count; ++r) {
            a_.read_row(memory, matrix, first + r, 0, room.line, inner());
            std::transform(room.line, room.line + inner(), rows + r * inner(), [](double x) { return static_cast<Real>(x); });
        }
    }

    void add_singles(const Memory& memory, std::size_t matrix, std::size_t first, std::size_t count, std::size_t lanes,
                     const Room& room) const {
        static constexpr float zeros[width] = {};
        const auto* whole = a_.column_stride == 1 ? a_.reader.fractions(memory) : nullptr;
        if (!whole) gather<float>(memory, matrix, first, count, room);
        for (std::size_t r = 0; r < count; ++r)
            room.pointers[r] = whole ? whole + a_.places[matrix] + (first + r) * a_.row_stride
                                     : reinterpret_cast<const float*>(room.rows) + r * inner();
        kernels_.gemm_singles({room.pointers, count, 1, 0, inner(), reinterpret_cast<const float*>(room.panel), zeros, room.results,
                               width, lanes, false});
    }

    void add_floats(std::size_t count, std::size_t lanes, const Room& room) const {
        static constexpr double zeros[float_panel_width] = {};
        for (std::size_t first = 0; first < lanes; first += float_panel_width)
            kernels_.gemm({reinterpret_cast<const double*>(room.rows), count, 1, inner(),
                           reinterpret_cast<const double*>(room.panel) + first * inner(), zeros, nullptr, room.results + first, width,
                           std::min(float_panel_width, lanes - first), false});
    }

    void add_row(const double* row, const Room& room) const {
        std::fill_n(room.sums, width, 0.);
        const auto* panel = reinterpret_cast<const double*>(room.panel);
        for (std::size_t first = 0; first < width; first += float_panel_width)
            for (std::size_t k = 0; k < inner(); ++k, panel += float_panel_width)
                for (std::size_t n = 0; n < float_panel_width; ++n)
                    room.sums[first + n] += row[k] * panel[n];
    }

    void finish(const Memory& memory, std::size_t matrix, std::size_t row, std::size_t column, std::size_t lanes,
                const Room& room) const {
        if (alpha_ != 1)
            for (std::size_t n = 0; n < lanes; ++n)
                room.sums[n] *= alpha_;
        if (!c_) return;
        const bool one_row = c_->rows == 1, one_column = c_->columns == 1;
        const auto at = c_->places[matrix] + (one_row ? 0 : row * c_->row_stride) + (one_column ? 0 : column * c_->column_stride);
        c_->reader.read(memory, at, one_column ? 0 : c_->column_stride, room.addend, lanes);
        for (std::size_t n = 0; n < lanes; ++n)
            room.sums[n] += room.addend[n] * beta_;
    }

    const FloatKernels& kernels_;
    model::Shape batches_;
    Side a_, b_;
    std::optional<Side> c_;
    double alpha_, beta_;
    bool single_, as_they_are_;  // the sums are the result
    Writer writer_;
    std::size_t out_row_ = 0, out_column_ = 1;
    std::vector<std::size_t> places_;  // of the result's matrices
};

}  // namespace

StepPtr make_any_product_step(const FloatKernels& kernels, const Product& product, const Outcome& outcome) {
    const auto is_scalar = [](const Feed& feed) { return feed.shape.empty(); };
    if (is_scalar(product.a) || is_scalar(product.b)) return nullptr;
    return std::make_unique<AnyProductStep>(kernels, product, outcome);
}

}  // namespace fard::soft
