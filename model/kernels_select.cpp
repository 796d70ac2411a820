// Operators that pick some of the elements, or say where they are.
#include <algorithm>
#include <numeric>

#include "model/kernels.hpp"

namespace fard::model {
namespace {

std::size_t size(std::int64_t extent) {
    return static_cast<std::size_t>(extent);
}

// Along one dimension: positions of the elements that lie behind each other.
struct Lines {
    std::size_t count, extent, inner;
    Lines(const Shape& shape, int axis)
        : extent(size(shape[size(axis)])), inner(elements(Shape(shape.begin() + axis + 1, shape.end()))) {
        count = elements(shape) / extent;
    }
    std::size_t first(std::size_t line) const { return line / inner * inner * extent + line % inner; }
};

// For each position of the output the position in x, or -1 where it is beyond x. `source(dimension, index)`:
// the index along one dimension of x, or -1.
template <typename Source>
std::vector<std::int64_t> positions(const Shape& from, const Shape& to, Source source) {
    std::vector<std::int64_t> result{0};
    for (std::size_t dimension = 0; dimension < to.size(); ++dimension) {
        std::vector<std::int64_t> next;
        next.reserve(result.size() * size(to[dimension]));
        for (const auto outer : result)
            for (std::int64_t i = 0; i < to[dimension]; ++i) {
                const auto at = source(dimension, i);
                next.push_back(outer < 0 || at < 0 ? -1 : outer * from[dimension] + at);
            }
        result = std::move(next);
    }
    return result;
}

std::int64_t padded_source(const PadAttributes& pad, std::size_t dimension, std::int64_t index,
                           std::int64_t extent) {
    const auto at = index - pad.before[dimension];
    if (at >= 0 && at < extent) return at;
    switch (pad.mode) {
        case PadAttributes::Mode::edge:
            return std::clamp<std::int64_t>(at, 0, extent - 1);
        case PadAttributes::Mode::reflect: {
            if (extent == 1) return 0;
            const auto period = 2 * (extent - 1), within = ((at % period) + period) % period;
            return within < extent ? within : period - within;
        }
        case PadAttributes::Mode::constant:
            break;
    }
    return -1;
}

template <typename Element>
std::vector<Element> picked(std::span<const Element> x, const std::vector<std::int64_t>& from,
                            Element padding) {
    std::vector<Element> out;
    out.reserve(from.size());
    for (const auto at : from)
        out.push_back(at < 0 ? padding : x[size(at)]);
    return out;
}

template <typename Element>
std::vector<Element> gather(const NodeView& view, std::span<const Element> x) {
    const auto& attributes = view.node.as<GatherAttributes>();
    const Lines lines(view.operands[0]->shape, attributes.axis);
    std::vector<Element> out;
    out.reserve(view.output.elements());
    for (std::size_t outer = 0; outer < lines.count / lines.inner; ++outer)
        for (const auto index : attributes.indices) {
            const auto from = x.subspan((outer * lines.extent + size(index)) * lines.inner, lines.inner);
            out.insert(out.end(), from.begin(), from.end());
        }
    return out;
}

// For each line the indices of its k first elements in order.
template <typename Element, typename Put>
void top_k(const NodeView& view, std::span<const Element> x, Put put) {
    const auto& attributes = view.node.as<TopKAttributes>();
    const Lines from(view.operands[0]->shape, attributes.axis), to(view.output.shape, attributes.axis);
    std::vector<std::size_t> order(from.extent);
    for (std::size_t line = 0; line < from.count; ++line) {
        const auto at = [&](std::size_t i) { return x[from.first(line) + i * from.inner]; };
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return attributes.largest ? at(a) > at(b) : at(a) < at(b);
        });
        for (std::size_t i = 0; i < to.extent; ++i)
            put(to.first(line) + i * to.inner, order[i], at(order[i]));
    }
}

}  // namespace

template <typename Element>
std::vector<std::int64_t> find_indices(const NodeView& view, std::span<const Element> x) {
    std::vector<std::int64_t> out(view.output.elements());
    if (view.node.op == Op::top_k_indices) {
        top_k(view, x, [&](std::size_t to, std::size_t index, Element) {
            out[to] = static_cast<std::int64_t>(index);
        });
        return out;
    }
    const auto& attributes = view.node.as<ArgMaxAttributes>();
    const Lines lines(view.operands[0]->shape, attributes.axis);
    for (std::size_t line = 0; line < lines.count; ++line) {
        const auto at = [&](std::size_t i) { return x[lines.first(line) + i * lines.inner]; };
        std::size_t best = 0;
        for (std::size_t i = 1; i < lines.extent; ++i)
            if ((attributes.smallest ? at(i) < at(best) : at(i) > at(best)) || (attributes.last && at(i) == at(best)))
                best = i;
        out[line] = static_cast<std::int64_t>(best);
    }
    return out;
}
template std::vector<std::int64_t> find_indices(const NodeView&, std::span<const std::int32_t>);
template std::vector<std::int64_t> find_indices(const NodeView&, std::span<const float>);

template <typename Element>
std::vector<Element> select_elements(const NodeView& view, std::span<const Element> x) {
    const auto& from = view.operands[0]->shape;
    const auto& to = view.output.shape;
    switch (view.node.op) {
        case Op::gather:
            return gather(view, x);
        case Op::pad: {
            const auto& pad = view.node.as<PadAttributes>();
            const auto source = [&](std::size_t d, std::int64_t i) {
                return padded_source(pad, d, i, from[d]);
            };
            return picked(x, positions(from, to, source), static_cast<Element>(pad.value));
        }
        case Op::slice: {
            const auto& slice = view.node.as<SliceAttributes>();
            const auto source = [&](std::size_t d, std::int64_t i) {
                return slice.starts[d] + i * slice.steps[d];
            };
            return picked(x, positions(from, to, source), Element{});
        }
        default: {
            std::vector<Element> out(view.output.elements());
            top_k(view, x, [&](std::size_t at, std::size_t, Element value) { out[at] = value; });
            return out;
        }
    }
}
template std::vector<std::int32_t> select_elements(const NodeView&, std::span<const std::int32_t>);
template std::vector<float> select_elements(const NodeView&, std::span<const float>);

}  // namespace fard::model
