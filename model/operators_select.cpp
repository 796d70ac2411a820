// Operators that pick some of the elements, or say where they are.
#include <algorithm>
#include <limits>

#include "model/operators.hpp"

namespace fard::model {
namespace {

OperatorResult made(const Tensor& x, Shape shape, Attributes attributes) {
    OperatorResult result;
    result.attributes = std::move(attributes);
    result.kept = {0};
    result.layout = shape.size() == x.shape.size() ? x.layout : usual_layout(shape);
    result.shape = std::move(shape);
    result.declared = x.declared;
    return result;
}

// A list that newer opsets have as operand and older ones as attribute. Empty where it is neither.
Result<std::vector<std::int64_t>> list(const OperatorInput& in, AttributeReader& attributes, const char* name,
                                       std::size_t operand) {
    if (!in.has(operand)) return attributes.integers(name, {});
    return in.constant_integers(operand, name);
}

Result<std::int64_t> one_axis(const OperatorInput& in, std::int64_t fallback) {
    AttributeReader attributes(in.node);
    const auto axis = attributes.integer("axis", fallback);
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto checked = checked_axis(axis, in[0].shape.size(), in[0].shape.size());
    if (!checked) return fail(checked.error());
    return *checked;
}

// Since opset 18 Pad may say which dimensions it pads; none of the others.
Result<std::vector<std::int64_t>> pads_along(const OperatorInput& in, const std::vector<std::int64_t>& pads) {
    const auto axes = in.constant_integers(3, "axes");
    if (!axes) return fail(axes.error());
    const auto rank = in[0].shape.size(), count = axes->size();
    if (pads.size() != 2 * count)
        return fail(Fault::invalid_input, "has {} pads for {} axes", pads.size(), count);
    std::vector<std::int64_t> all(2 * rank, 0);
    for (std::size_t i = 0; i < count; ++i) {
        const auto axis = checked_axis((*axes)[i], rank, rank);
        if (!axis) return fail(axis.error());
        all[static_cast<std::size_t>(*axis)] = pads[i];
        all[static_cast<std::size_t>(*axis) + rank] = pads[i + count];
    }
    return all;
}

Result<OperatorResult> read_top_k(const OperatorInput& in) {
    const auto axis = one_axis(in, -1);
    if (!axis) return fail(axis.error());
    AttributeReader attributes(in.node);
    const bool largest = attributes.integer("largest", 1) != 0;
    std::int64_t k = attributes.integer("k", 0);
    if (auto done = attributes.done(); !done) return fail(done.error());
    if (in.has(1)) {
        const auto wanted = in.constant_integers(1, "k");
        if (!wanted) return fail(wanted.error());
        if (wanted->size() != 1) return fail(Fault::invalid_input, "has {} values of 'k'", wanted->size());
        k = wanted->front();
    }
    Shape shape = in[0].shape;
    auto& extent = shape[static_cast<std::size_t>(*axis)];
    if (k < 1 || k > extent) return fail(Fault::invalid_input, "picks {} of {} elements", k, extent);
    extent = k;
    return made(in[0], std::move(shape), TopKAttributes{static_cast<int>(*axis), largest});
}

}  // namespace

Result<OperatorResult> read_arg_max(const OperatorInput& in) {
    const auto axis = one_axis(in, 0);
    if (!axis) return fail(axis.error());
    AttributeReader attributes(in.node);
    const ArgMaxAttributes read{static_cast<int>(*axis), attributes.integer("keepdims", 1) != 0,
                                attributes.integer("select_last_index", 0) != 0, in.node.op == "ArgMin"};
    if (auto done = attributes.done(); !done) return fail(done.error());
    Shape shape = in[0].shape;
    if (read.keep_dims)
        shape[static_cast<std::size_t>(*axis)] = 1;
    else
        shape.erase(shape.begin() + *axis);
    auto result = made(in[0], std::move(shape), read);
    result.declared = "INT64";
    return result;
}

Result<OperatorResult> read_top_k_values(const OperatorInput& in) {
    return read_top_k(in);
}

Result<OperatorResult> read_top_k_indices(const OperatorInput& in) {
    auto result = read_top_k(in);
    if (result) result->declared = "INT64";
    return result;
}

Result<OperatorResult> read_gather(const OperatorInput& in) {
    const auto axis = one_axis(in, 0);
    if (!axis) return fail(axis.error());
    const auto& shape = in[0].shape;
    const auto at = static_cast<std::size_t>(*axis);
    if (!in[1].type.is_integer())
        return fail(Fault::invalid_input, "has indices '{}' that are not integers", in[1].name);
    Shape result(shape.begin(), shape.begin() + *axis);
    result.insert(result.end(), in[1].shape.begin(), in[1].shape.end());
    result.insert(result.end(), shape.begin() + *axis + 1, shape.end());
    if (!in[1].is_constant()) {
        auto computed = made(in[0], std::move(result), AxisAttributes{static_cast<int>(*axis)});
        computed.op = Op::lookup;
        computed.kept = {0, 1};
        if (in[0].is_constant()) computed.layout = usual_layout(computed.shape);
        return computed;
    }
    GatherAttributes read{static_cast<int>(*axis), {}};
    for (const std::int64_t index : in[1].constant->integers) {
        if (index < -shape[at] || index >= shape[at])
            return fail(Fault::invalid_input, "reads element {} of {}", index, shape[at]);
        read.indices.push_back(index < 0 ? index + shape[at] : index);
    }
    return made(in[0], std::move(result), std::move(read));
}

Result<OperatorResult> read_slice(const OperatorInput& in) {
    const auto& shape = in[0].shape;
    AttributeReader attributes(in.node);
    const auto starts = list(in, attributes, "starts", 1), ends = list(in, attributes, "ends", 2);
    auto axes = list(in, attributes, "axes", 3), steps = list(in, attributes, "steps", 4);
    if (!starts) return fail(starts.error());
    if (!ends) return fail(ends.error());
    if (!axes) return fail(axes.error());
    if (!steps) return fail(steps.error());
    if (auto done = attributes.done(); !done) return fail(done.error());
    for (std::size_t i = axes->size(); axes->size() < starts->size(); ++i)
        axes->push_back(static_cast<std::int64_t>(i));
    steps->resize(std::max(steps->size(), starts->size()), 1);
    if (starts->size() != ends->size() || axes->size() != starts->size() || steps->size() != starts->size())
        return fail(Fault::invalid_input, "has {} starts, {} ends, {} axes and {} steps", starts->size(),
                    ends->size(), axes->size(), steps->size());
    SliceAttributes read{std::vector<std::int64_t>(shape.size(), 0),
                         std::vector<std::int64_t>(shape.size(), 1)};
    Shape result = shape;
    for (std::size_t i = 0; i < starts->size(); ++i) {
        const auto axis = checked_axis((*axes)[i], shape.size(), shape.size());
        if (!axis) return fail(axis.error());
        const auto at = static_cast<std::size_t>(*axis);
        const auto extent = shape[at], step = (*steps)[i];
        if (step == 0) return fail(Fault::invalid_input, "has a step of 0");
        const auto within = [&](std::int64_t index, std::int64_t low, std::int64_t high) {
            return std::clamp(index < 0 ? index + extent : index, low, high);
        };
        const auto start = step > 0 ? within((*starts)[i], 0, extent) : within((*starts)[i], 0, extent - 1);
        const auto end = step > 0 ? within((*ends)[i], 0, extent) : within((*ends)[i], -1, extent - 1);
        const auto distance = step > 0 ? end - start : start - end, stride = step > 0 ? step : -step;
        result[at] = distance <= 0 ? 0 : (distance - 1) / stride + 1;
        if (result[at] == 0) return fail(Fault::unsupported, "keeps no element along dimension {}", at);
        read.starts[at] = start, read.steps[at] = step;
    }
    return made(in[0], std::move(result), std::move(read));
}

Result<OperatorResult> read_pad(const OperatorInput& in) {
    const auto& shape = in[0].shape;
    AttributeReader attributes(in.node);
    const auto pads = list(in, attributes, "pads", 1);
    if (!pads) return fail(pads.error());
    PadAttributes read;
    read.value = attributes.number("value", 0);
    const auto mode = attributes.text("mode", "constant");
    if (auto done = attributes.done(); !done) return fail(done.error());
    if (mode != "constant" && mode != "edge" && mode != "reflect")
        return fail(Fault::invalid_input, "attribute 'mode' is '{}'", mode);
    read.mode = mode == "edge"      ? PadAttributes::Mode::edge
                : mode == "reflect" ? PadAttributes::Mode::reflect
                                    : PadAttributes::Mode::constant;
    if (in.has(2)) {
        const auto value = in.constant_number(2);
        if (!value)
            return fail(Fault::unsupported, "has a value '{}' that is not a constant number", in[2].name);
        read.value = *value;
    }
    const auto all = in.has(3) ? pads_along(in, *pads) : pads;
    if (!all) return fail(all.error());
    if (all->size() != 2 * shape.size())
        return fail(Fault::invalid_input, "has {} pads for {} dimensions", all->size(), shape.size());
    Shape result = shape;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        constexpr std::int64_t largest = 1 << 26;
        const auto before = (*all)[i], after = (*all)[i + shape.size()];
        if (std::max(before, after) > largest || std::min(before, after) < -largest)
            return fail(Fault::invalid_input, "pads dimension {} by {} and {}", i, before, after);
        result[i] += before + after;
        if (result[i] < 1)
            return fail(Fault::invalid_input, "leaves {} elements along dimension {}", result[i], i);
        read.before.push_back(before), read.after.push_back(after);
    }
    return made(in[0], std::move(result), std::move(read));
}

Result<OperatorResult> read_squeeze(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const auto axes = list(in, attributes, "axes", 1);
    if (!axes) return fail(axes.error());
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto& shape = in[0].shape;
    std::vector<bool> gone(shape.size());
    for (const auto each : *axes) {
        const auto axis = checked_axis(each, shape.size(), shape.size());
        if (!axis) return fail(axis.error());
        const auto at = static_cast<std::size_t>(*axis);
        if (shape[at] != 1) return fail(Fault::invalid_input, "squeezes a dimension of {}", shape[at]);
        gone[at] = true;
    }
    Shape result;
    for (std::size_t i = 0; i < shape.size(); ++i)
        if (axes->empty() ? shape[i] != 1 : !gone[i]) result.push_back(shape[i]);
    return made(in[0], std::move(result), {});
}

Result<OperatorResult> read_unsqueeze(const OperatorInput& in) {
    AttributeReader attributes(in.node);
    const auto axes = list(in, attributes, "axes", 1);
    if (!axes) return fail(axes.error());
    if (auto done = attributes.done(); !done) return fail(done.error());
    const auto rank = in[0].shape.size() + axes->size();
    std::vector<bool> added(rank);
    for (const auto each : *axes) {
        const auto axis = checked_axis(each, rank, rank);
        if (!axis) return fail(axis.error());
        if (added[static_cast<std::size_t>(*axis)])
            return fail(Fault::invalid_input, "adds dimension {} twice", *axis);
        added[static_cast<std::size_t>(*axis)] = true;
    }
    Shape result;
    auto next = in[0].shape.begin();
    for (std::size_t i = 0; i < rank; ++i)
        result.push_back(added[i] ? 1 : *next++);
    return made(in[0], std::move(result), {});
}

}  // namespace fard::model
