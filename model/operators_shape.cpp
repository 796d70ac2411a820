// Operators that move elements, or sum over whole dimensions.
#include <algorithm>
#include <numeric>

#include "model/operators.hpp"

namespace fard::model {
namespace {

OperatorResult moved(const Tensor& x, Shape shape) {
    OperatorResult result;
    result.kept = {0};
    result.layout = usual_layout(shape);
    result.shape = std::move(shape);
    result.declared = x.declared;
    return result;
}

std::int64_t product_of(const Shape& shape, std::size_t begin, std::size_t end) {
    std::int64_t product = 1;
    for (std::size_t i = begin; i < end; ++i)
        product *= shape[i];
    return product;
}

}  // namespace

Result<OperatorResult> read_reduction(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    auto axes = attributes.integers("axes", {});
    const bool keep_dims = attributes.integer("keepdims", 1) != 0;
    const bool nothing_if_empty = attributes.integer("noop_with_empty_axes", 0) != 0;
    if (auto done = attributes.done(); !done) return fail(done.error());
    if (in.has(1)) {
        auto list = in.constant_integers(1, "axes");
        if (!list) return fail(list.error());
        axes = *std::move(list);
    }
    const auto& shape = in[0].shape;
    if (axes.empty() && nothing_if_empty) {
        auto same = moved(in[0], shape);
        same.layout = in[0].layout;
        same.op = Op::identity;
        return same;
    }
    if (axes.empty()) {
        axes.resize(shape.size());
        std::iota(axes.begin(), axes.end(), 0);
    }
    ReduceAttributes read{{}, keep_dims};
    for (const auto axis : axes) {
        const auto checked = checked_axis(axis, shape.size(), shape.size());
        if (!checked) return fail(checked.error());
        read.axes.push_back(*checked);
    }
    std::sort(read.axes.begin(), read.axes.end());
    if (read.axes.empty() || std::adjacent_find(read.axes.begin(), read.axes.end()) != read.axes.end())
        return fail(Fault::invalid_input, "attribute 'axes' is empty or names a dimension twice");
    Shape reduced;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        const bool summed = std::binary_search(read.axes.begin(), read.axes.end(), static_cast<int>(i));
        if (!summed)
            reduced.push_back(shape[i]);
        else if (keep_dims)
            reduced.push_back(1);
    }
    auto result = moved(in[0], std::move(reduced));
    if (result.shape.size() == shape.size()) result.layout = in[0].layout;
    result.attributes = std::move(read);
    return result;
}

Result<OperatorResult> read_flatten(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const auto axis = attributes.integer("axis", 1);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto& shape = in[0].shape;
    const auto checked = checked_axis(axis, shape.size(), shape.size() + 1);
    if (!checked) return fail(checked.error());
    const auto split = static_cast<std::size_t>(*checked);
    auto result = moved(in[0], {product_of(shape, 0, split), product_of(shape, split, shape.size())});
    result.attributes = AxisAttributes{*checked};
    return result;
}

Result<OperatorResult> read_reshape(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const bool allow_zero = attributes.integer("allowzero", 0) != 0;
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto& wanted = in[1];
    const bool whole = wanted.type.is_integer() || wanted.elements() == 0;  // none: it becomes a scalar
    if (!wanted.is_constant() || !whole || wanted.shape.size() != 1)
        return fail(Fault::unsupported, "has a shape '{}' that is not a constant list of integers", wanted.name);
    const auto& from = in[0].shape;
    Shape shape;
    std::optional<std::size_t> open;
    std::int64_t known = 1;
    const auto total = static_cast<std::int64_t>(in[0].elements());
    for (const std::int64_t extent : wanted.constant->integers) {
        const auto i = shape.size();
        if (extent == -1 && !open)
            open = i, shape.push_back(1);
        else if (extent == 0 && !allow_zero && i < from.size())
            shape.push_back(from[i]);
        else if (extent > 0)
            shape.push_back(extent);
        else
            return fail(Fault::invalid_input, "reshapes to {}", fmt::to_string(extent));
        known *= shape.back();
        if (known > total)
            return fail(Fault::invalid_input, "reshapes {} to more elements than it has", shown(from));
    }
    if (open && total % known == 0) shape[*open] = total / known;
    if (product_of(shape, 0, shape.size()) != total)
        return fail(Fault::invalid_input, "reshapes {} to {}", shown(from), shown(shape));
    return moved(in[0], std::move(shape));
}

Result<OperatorResult> read_transpose(const OperatorInput& in) {
    const auto rank = in[0].shape.size();
    std::vector<std::int64_t> reversed(rank);
    std::iota(reversed.rbegin(), reversed.rend(), 0);
    AttributeReader attributes(in.node);
    const auto permutation = attributes.integers("perm", reversed);
    if (auto done = attributes.done(); !done) return fail(done.error());
    if (!std::is_permutation(permutation.begin(), permutation.end(), reversed.begin(), reversed.end()))
        return fail(Fault::invalid_input, "attribute 'perm' is not an order of {} dimensions", rank);
    TransposeAttributes read;
    Shape shape;
    for (const auto from : permutation) {
        read.permutation.push_back(static_cast<int>(from));
        shape.push_back(in[0].shape[static_cast<std::size_t>(from)]);
    }
    auto result = moved(in[0], std::move(shape));
    if (rank == 4) {
        const bool to_last = permutation == std::vector<std::int64_t>{0, 2, 3, 1};
        const bool to_first = permutation == std::vector<std::int64_t>{0, 3, 1, 2};
        const bool same = std::is_sorted(permutation.begin(), permutation.end());
        if (same)
            result.layout = in[0].layout;
        else if (to_last && in[0].layout == Layout::nchw)
            result.layout = Layout::nhwc;
        else if (to_first && in[0].layout == Layout::nhwc)
            result.layout = Layout::nchw;
        else
            result.layout = Layout::none;
    }
    result.attributes = std::move(read);
    return result;
}

namespace {

// With the second dimension at the end, or the last one in the second place.
Result<OperatorResult> read_channel_move(const OperatorInput& in, bool to_last) {
    const auto rank = static_cast<std::int64_t>(in[0].shape.size());
    if (rank < 3)
        return fail(Fault::invalid_input, "reads {}, which has no channels beside pixels",
                    shown(in[0].shape));
    std::vector<std::int64_t> order(static_cast<std::size_t>(rank));
    std::iota(order.begin(), order.end(), 0);
    if (to_last)
        std::rotate(order.begin() + 1, order.begin() + 2, order.end());
    else
        std::rotate(order.begin() + 1, order.end() - 1, order.end());
    auto node = in.node;
    node.attributes = {{"perm", order}};
    auto result = read_transpose({node, in.opset, in.operands});
    if (result && rank == 4) result->layout = to_last ? Layout::nhwc : Layout::nchw;
    return result;
}

}  // namespace

Result<OperatorResult> read_channels_first(const OperatorInput& in) {
    return read_channel_move(in, false);
}
Result<OperatorResult> read_channels_last(const OperatorInput& in) {
    return read_channel_move(in, true);
}

Result<OperatorResult> read_concat(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    if (!attributes.has("axis")) return fail(Fault::invalid_input, "attribute 'axis' is missing");
    const auto axis = attributes.integer("axis", 0);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto rank = in[0].shape.size();
    const auto checked = checked_axis(axis, rank, rank);
    if (!checked) return fail(checked.error());
    const auto along = static_cast<std::size_t>(*checked);
    Shape shape = in[0].shape;
    shape[along] = 0;
    OperatorResult result;
    result.layout = in[0].layout;
    result.declared = in[0].declared;
    for (std::size_t i = 0; i < in.operands.size(); ++i) {
        if (!in.has(i)) return fail(Fault::invalid_input, "operand {} is left out", i);
        Shape expected = shape;
        if (in[i].shape.size() == rank) expected[along] = in[i].shape[along];
        if (in[i].shape != expected)
            return fail(Fault::invalid_input, "joins {} and {} along dimension {}", shown(in[0].shape),
                        shown(in[i].shape), along);
        shape[along] += in[i].shape[along];
        result.kept.push_back(i);
    }
    result.shape = std::move(shape);
    result.attributes = AxisAttributes{*checked};
    return result;
}

Result<OperatorResult> read_reduce_sum(const OperatorInput& in) {
    return read_reduction(in);
}
Result<OperatorResult> read_reduce_mean(const OperatorInput& in) {
    return read_reduction(in);
}

}  // namespace fard::model
