#include <algorithm>
#include <limits>

#include "model/kernels.hpp"

namespace fard::model {
namespace {

std::size_t size(std::int64_t extent) {
    return static_cast<std::size_t>(extent);
}

template <typename Element>
std::vector<Element> transpose(const NodeView& view, std::span<const Element> x) {
    const auto& from = view.operands[0]->shape;
    const auto& permutation = view.node.as<TransposeAttributes>().permutation;
    const auto rank = from.size();
    std::vector<std::size_t> strides(rank, 1), steps(rank), index(rank);
    for (std::size_t i = rank; i-- > 1;)
        strides[i - 1] = strides[i] * size(from[i]);
    for (std::size_t i = 0; i < rank; ++i)
        steps[i] = strides[size(permutation[i])];
    std::vector<Element> out;
    out.reserve(x.size());
    std::size_t at = 0;
    while (out.size() < x.size()) {
        out.push_back(x[at]);
        for (std::size_t i = rank; i-- > 0;) {  // the next index, last dimension fastest
            at += steps[i];
            if (++index[i] < size(view.output.shape[i])) break;
            at -= steps[i] * index[i];
            index[i] = 0;
        }
    }
    return out;
}

template <typename Element>
std::vector<Element> concat(const NodeView& view, const Operands<Element>& operands) {
    const auto axis = size(view.node.as<AxisAttributes>().axis);
    const auto& shape = view.output.shape;
    const auto outer = elements(Shape(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(axis)));
    std::vector<Element> out;
    out.reserve(view.output.elements());
    for (std::size_t row = 0; row < outer; ++row)
        for (const auto& operand : operands) {
            const auto part = operand.subspan(row * (operand.size() / outer), operand.size() / outer);
            out.insert(out.end(), part.begin(), part.end());
        }
    return out;
}

template <typename Element>
std::vector<Element> max_pool(const NodeView& view, std::span<const Element> x) {
    const auto& pool = view.node.as<PoolAttributes>();
    const auto& in = view.operands[0]->shape;
    const auto& shape = view.output.shape;
    std::vector<Element> out;
    out.reserve(view.output.elements());
    for (std::int64_t plane = 0; plane < shape[0] * shape[1]; ++plane)
        for (std::int64_t row = 0; row < shape[2]; ++row)
            for (std::int64_t column = 0; column < shape[3]; ++column) {
                using Limits = std::numeric_limits<Element>;
                auto best = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
                for (std::int64_t i = 0; i < pool.kernel.height; ++i)
                    for (std::int64_t j = 0; j < pool.kernel.width; ++j) {
                        const auto h = row * pool.strides.height - pool.pads.top + i * pool.dilations.height;
                        const auto w =
                            column * pool.strides.width - pool.pads.left + j * pool.dilations.width;
                        if (h < 0 || h >= in[2] || w < 0 || w >= in[3]) continue;
                        best = std::max(best, x[size((plane * in[2] + h) * in[3] + w)]);
                    }
                out.push_back(best);
            }
    return out;
}

template <typename Element>
std::vector<Element> move_any(const NodeView& view, const Operands<Element>& operands) {
    switch (view.node.op) {
        case Op::transpose:
            return transpose(view, operands[0]);
        case Op::concat:
            return concat(view, operands);
        case Op::max_pool:
            return max_pool(view, operands[0]);
        case Op::gather:
        case Op::pad:
        case Op::slice:
        case Op::top_k_values:
            return select_elements(view, operands[0]);
        default:
            return {operands[0].begin(), operands[0].end()};
    }
}

}  // namespace

bool moves_elements(Op op) {
    return op == Op::transpose || op == Op::concat || op == Op::max_pool || op == Op::cast ||
           op == Op::identity || op == Op::flatten || op == Op::reshape || op == Op::gather ||
           op == Op::pad || op == Op::slice || op == Op::top_k_values;
}

std::vector<std::int32_t> move_elements(const NodeView& view, const Operands<std::int32_t>& operands) {
    return move_any(view, operands);
}
std::vector<float> move_elements(const NodeView& view, const Operands<float>& operands) {
    return move_any(view, operands);
}

}  // namespace fard::model
