#include "model/kernels.hpp"

#include <algorithm>
#include <cmath>

#include "model/tables.hpp"

namespace fard::model {
namespace {

std::size_t size(std::int64_t extent) {
    return static_cast<std::size_t>(extent);
}

// sum + a * b. Integer sums wrap, so partial sums need not fit: the whole one does (the importer saw to it).
std::int64_t plus(std::int64_t sum, std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) +
                                     static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
double plus(double sum, double a, double b) {
    return sum + a * b;
}

// The output positions [begin, end) along one dimension whose window has its element at `offset` on the
// image.
struct Inside {
    std::int64_t begin, end;
    Inside(std::int64_t outputs, std::int64_t stride, std::int64_t offset, std::int64_t extent)
        : begin(offset >= 0 ? 0 : (-offset + stride - 1) / stride),
          end(offset >= extent ? 0 : std::min(outputs, (extent - 1 - offset) / stride + 1)) {}
};

// For each output channel: the bias everywhere, then for each of its weights the shifted image times the
// weight.
template <typename Element>
std::vector<SumOf<Element>> conv(const NodeView& view, const Operands<Element>& operands) {
    const auto& conv = view.node.as<ConvAttributes>();
    const auto& in = view.operands[0]->shape;
    const auto& shape = view.output.shape;
    const auto channels = view.operands[1]->shape[1];  // that one output channel reads
    const auto per_group = shape[1] / conv.group;
    std::vector<SumOf<Element>> out(view.output.elements());
    for (std::int64_t image = 0; image < shape[0]; ++image)
        for (std::int64_t o = 0; o < shape[1]; ++o) {
            auto* plane = out.data() + (image * shape[1] + o) * shape[2] * shape[3];
            if (operands.size() > 2) std::fill_n(plane, shape[2] * shape[3], operands[2][size(o)]);
            const auto* weight = operands[1].data() + o * channels * conv.kernel.height * conv.kernel.width;
            const auto* x = operands[0].data() + (image * in[1] + o / per_group * channels) * in[2] * in[3];
            for (std::int64_t c = 0; c < channels; ++c, x += in[2] * in[3])
                for (std::int64_t i = 0; i < conv.kernel.height; ++i)
                    for (std::int64_t j = 0; j < conv.kernel.width; ++j, ++weight) {
                        const auto top = i * conv.dilations.height - conv.pads.top;
                        const auto left = j * conv.dilations.width - conv.pads.left;
                        const Inside rows(shape[2], conv.strides.height, top, in[2]);
                        const Inside columns(shape[3], conv.strides.width, left, in[3]);
                        for (auto row = rows.begin; row < rows.end; ++row) {
                            const auto* line = x + (row * conv.strides.height + top) * in[3];
                            auto* sums = plane + row * shape[3];
                            for (auto column = columns.begin; column < columns.end; ++column)
                                sums[column] =
                                    plus(sums[column], line[column * conv.strides.width + left], *weight);
                        }
                    }
        }
    return out;
}

// For each element of `shape`, row-major: the index of the element of `operand` that is broadcast to it.
class BroadcastIndex {
  public:
    BroadcastIndex(const Shape& operand, const Shape& shape)
        : shape_(shape), steps_(shape.size()), index_(shape.size()) {
        std::size_t stride = 1;
        for (std::size_t i = 0; i < operand.size(); ++i) {
            const auto extent = size(operand[operand.size() - 1 - i]);
            if (extent != 1) steps_[shape.size() - 1 - i] = stride;
            stride *= extent;
        }
    }

    std::size_t next() {
        const auto current = at_;
        for (std::size_t i = shape_.size(); i-- > 0;) {
            at_ += steps_[i];
            if (++index_[i] < size(shape_[i])) break;
            at_ -= steps_[i] * index_[i];
            index_[i] = 0;
        }
        return current;
    }

  private:
    const Shape& shape_;
    std::vector<std::size_t> steps_, index_;
    std::size_t at_ = 0;
};

template <typename Element>
std::vector<SumOf<Element>> elementwise(const NodeView& view, const Operands<Element>& operands) {
    using Sum = SumOf<Element>;
    BroadcastIndex left(view.operands[0]->shape, view.output.shape),
        right(view.operands[1]->shape, view.output.shape);
    std::vector<Sum> out(view.output.elements());
    for (auto& result : out) {
        const Sum a = operands[0][left.next()], b = operands[1][right.next()];
        switch (view.node.op) {
            case Op::add:
                result = a + b;
                break;
            case Op::sub:
                result = a - b;
                break;
            case Op::mul:
                result = a * b;
                break;
            case Op::pairwise: {
                const auto& of = *view.node.as<PairwiseAttributes>().row->of;
                result = static_cast<Sum>(of(static_cast<double>(a), static_cast<double>(b)));
                break;
            }
            case Op::pow:
                if constexpr (std::is_floating_point_v<Element>) result = std::pow(a, b);
                break;
            default:  // div; the importer has seen to it that no whole divisor is 0
                result = a / b;
                break;
        }
    }
    return out;
}

template <typename Element>
std::vector<SumOf<Element>> matmul(const NodeView& view, const Operands<Element>& operands) {
    Shape a = view.operands[0]->shape, b = view.operands[1]->shape;
    Shape batches = view.output.shape;
    if (a.size() == 1)
        a.insert(a.begin(), 1);
    else
        batches.pop_back();
    if (b.size() == 1)
        b.push_back(1);
    else
        batches.pop_back();
    const auto rows = size(a[a.size() - 2]), inner = size(a.back()), columns = size(b.back());
    const Shape batches_a(a.begin(), a.end() - 2), batches_b(b.begin(), b.end() - 2);
    BroadcastIndex at_a(batches_a, batches), at_b(batches_b, batches);
    std::vector<SumOf<Element>> out;
    out.reserve(view.output.elements());
    for (std::size_t batch = 0; batch < elements(batches); ++batch) {
        const auto* left = operands[0].data() + at_a.next() * rows * inner;
        const auto* right = operands[1].data() + at_b.next() * inner * columns;
        for (std::size_t row = 0; row < rows; ++row)
            for (std::size_t column = 0; column < columns; ++column) {
                SumOf<Element> sum = 0;
                for (std::size_t i = 0; i < inner; ++i)
                    sum = plus(sum, left[row * inner + i], right[i * columns + column]);
                out.push_back(sum);
            }
    }
    return out;
}

template <typename Element>
std::vector<SumOf<Element>> gemm(const NodeView& view, const Operands<Element>& operands) {
    using Sum = SumOf<Element>;
    const auto& gemm = view.node.as<GemmAttributes>();
    const auto rows = size(view.output.shape[0]), columns = size(view.output.shape[1]);
    const auto& a = view.operands[0]->shape;
    const auto inner = size(gemm.transpose_a ? a[0] : a[1]);
    const Shape none{1, 1};
    BroadcastIndex at_c(operands.size() > 2 ? view.operands[2]->shape : none, view.output.shape);
    std::vector<Sum> out;
    out.reserve(view.output.elements());
    for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t column = 0; column < columns; ++column) {
            Sum sum = 0;
            for (std::size_t i = 0; i < inner; ++i) {
                const auto left = gemm.transpose_a ? i * rows + row : row * inner + i;
                const auto right = gemm.transpose_b ? column * inner + i : i * columns + column;
                sum = plus(sum, operands[0][left], operands[1][right]);
            }
            sum = plus(Sum{0}, sum, static_cast<Sum>(gemm.alpha));
            if (operands.size() > 2) sum = plus(sum, operands[2][at_c.next()], static_cast<Sum>(gemm.beta));
            out.push_back(sum);
        }
    return out;
}

template <typename Element>
std::vector<SumOf<Element>> reduce_sum(const NodeView& view, std::span<const Element> x) {
    Shape kept = view.operands[0]->shape;  // the result's shape with its summed dimensions as 1
    for (const auto axis : view.node.as<ReduceAttributes>().axes)
        kept[size(axis)] = 1;
    BroadcastIndex target(kept, view.operands[0]->shape);
    std::vector<SumOf<Element>> out(view.output.elements());
    for (const auto value : x)
        out[target.next()] += value;
    return out;
}

template <typename Element>
std::vector<SumOf<Element>> reduce(const NodeView& view, std::span<const Element> x) {
    const auto& attributes = view.node.as<ReductionAttributes>();
    Shape kept = view.operands[0]->shape;
    for (const auto axis : attributes.axes)
        kept[size(axis)] = 1;
    BroadcastIndex target(kept, view.operands[0]->shape);
    std::vector<double> totals(view.output.elements(), attributes.row->start);
    for (const auto value : x) {
        auto& total = totals[target.next()];
        total = attributes.row->add(total, value);
    }
    std::vector<SumOf<Element>> out;
    out.reserve(totals.size());
    for (const auto total : totals)
        out.push_back(static_cast<SumOf<Element>>(attributes.row->end(total)));
    return out;
}

template <typename Element>
std::vector<SumOf<Element>> where(const NodeView& view, const Operands<Element>& operands) {
    BroadcastIndex condition(view.operands[0]->shape, view.output.shape), a(view.operands[1]->shape, view.output.shape),
        b(view.operands[2]->shape, view.output.shape);
    std::vector<SumOf<Element>> out(view.output.elements());
    for (auto& result : out) {
        const auto chosen = operands[1][a.next()], other = operands[2][b.next()];
        result = operands[0][condition.next()] != 0 ? chosen : other;
    }
    return out;
}

std::vector<double> resample(const NodeView& view, std::span<const double> x) {
    const auto& attributes = view.node.as<ResampleAttributes>();
    const auto& from = view.operands[0]->shape;
    const auto extent = size(from[size(attributes.axis)]), outputs = attributes.indices.size() / attributes.taps;
    const auto inner = elements(Shape(from.begin() + attributes.axis + 1, from.end()));
    std::vector<double> out;
    out.reserve(view.output.elements());
    for (std::size_t outer = 0; outer < x.size() / extent / inner; ++outer)
        for (std::size_t i = 0; i < outputs; ++i)
            for (std::size_t at = 0; at < inner; ++at) {
                double sum = 0;
                for (auto tap = i * attributes.taps; tap < (i + 1) * attributes.taps; ++tap)
                    sum += attributes.weights[tap] * x[(outer * extent + size(attributes.indices[tap])) * inner + at];
                out.push_back(sum);
            }
    return out;
}

std::vector<double> reduce_mean(const NodeView& view, std::span<const double> x) {
    auto out = reduce_sum(view, x);
    const auto count = static_cast<double>(x.size() / out.size());
    for (auto& each : out)
        each /= count;
    return out;
}

std::vector<double> average_pool(const NodeView& view, std::span<const double> x) {
    const auto& in = view.operands[0]->shape;
    const bool global = view.node.op == Op::global_average_pool;
    const auto pool = global ? PoolAttributes{{in[2], in[3]}, {}, {}, {}} : view.node.as<PoolAttributes>();
    const auto& shape = view.output.shape;
    std::vector<double> out;
    out.reserve(view.output.elements());
    for (std::int64_t plane = 0; plane < shape[0] * shape[1]; ++plane)
        for (std::int64_t row = 0; row < shape[2]; ++row)
            for (std::int64_t column = 0; column < shape[3]; ++column) {
                double sum = 0;
                std::int64_t count = 0;
                for (std::int64_t i = 0; i < pool.kernel.height; ++i)
                    for (std::int64_t j = 0; j < pool.kernel.width; ++j) {
                        const auto h = row * pool.strides.height - pool.pads.top + i * pool.dilations.height;
                        const auto w =
                            column * pool.strides.width - pool.pads.left + j * pool.dilations.width;
                        const bool inside = h >= 0 && h < in[2] && w >= 0 && w < in[3];
                        const bool padding =
                            !inside && h < in[2] + pool.pads.bottom && w < in[3] + pool.pads.right;
                        if (inside) sum += x[size((plane * in[2] + h) * in[3] + w)];
                        if (inside || (padding && pool.count_include_pad)) ++count;
                    }
                out.push_back(sum / static_cast<double>(count));
            }
    return out;
}

std::vector<double> softmax(const NodeView& view, std::span<const double> x) {
    const auto& attributes = view.node.as<SoftmaxAttributes>();
    const auto& shape = view.output.shape;
    const auto axis = shape.begin() + attributes.axis;
    const auto count = attributes.flattened ? elements(Shape(axis, shape.end())) : size(*axis);
    const auto inner = attributes.flattened ? 1 : elements(Shape(axis + 1, shape.end()));
    std::vector<double> out(x.size());
    for (std::size_t first = 0; first < x.size(); ++first) {
        if (first / inner % count != 0) continue;  // not the first along the dimension
        double largest = x[first], sum = 0;
        for (std::size_t i = 0; i < count; ++i)
            largest = std::max(largest, x[first + i * inner]);
        for (std::size_t i = 0; i < count; ++i)
            sum += out[first + i * inner] = std::exp(x[first + i * inner] - largest);
        for (std::size_t i = 0; i < count; ++i)
            out[first + i * inner] /= sum;
    }
    return out;
}

std::vector<double> batch_normalization(const NodeView& view, const Operands<double>& operands) {
    const auto& shape = view.output.shape;
    const auto epsilon = view.node.as<BatchNormalizationAttributes>().epsilon;
    const auto channels = size(shape[1]), inner = elements(Shape(shape.begin() + 2, shape.end()));
    std::vector<double> out;
    out.reserve(operands[0].size());
    for (std::size_t i = 0; i < operands[0].size(); ++i) {
        const auto c = i / inner % channels;
        const auto centred = operands[0][i] - operands[3][c];
        out.push_back(centred / std::sqrt(operands[4][c] + epsilon) * operands[1][c] + operands[2][c]);
    }
    return out;
}

template <typename Element>
std::vector<SumOf<Element>> compute_any(const NodeView& view, const Operands<Element>& operands) {
    switch (view.node.op) {
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::div:
        case Op::pairwise:
        case Op::pow:
            return elementwise(view, operands);
        case Op::reduce:
            return reduce(view, operands[0]);
        case Op::where:
            return where(view, operands);
        case Op::conv:
            return conv(view, operands);
        case Op::matmul:
            return matmul(view, operands);
        case Op::gemm:
            return gemm(view, operands);
        case Op::reduce_sum:
            return reduce_sum(view, operands[0]);
        default:
            return {};
    }
}

}  // namespace

std::vector<std::int64_t> compute(const NodeView& view, const Operands<std::int32_t>& operands) {
    return compute_any(view, operands);
}

std::vector<double> compute(const NodeView& view, const Operands<double>& operands) {
    switch (view.node.op) {
        case Op::average_pool:
        case Op::global_average_pool:
            return average_pool(view, operands[0]);
        case Op::reduce_mean:
            return reduce_mean(view, operands[0]);
        case Op::resample:
            return resample(view, operands[0]);
        case Op::softmax:
            return softmax(view, operands[0]);
        case Op::batch_normalization:
            return batch_normalization(view, operands);
        default:
            return compute_any(view, operands);
    }
}

}  // namespace fard::model
