#include "model/reference.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "model/functions.hpp"
#include "model/kernels.hpp"
#include "model/wire_form.hpp"

namespace fard::model {
namespace {

std::vector<double> numbers(const Values& values) {
    if (!values.integers.empty()) return {values.integers.begin(), values.integers.end()};
    return {values.floats.begin(), values.floats.end()};
}

// Integers as the output's elements. Errors: failed (one that its type does not hold).
template <typename Sum>
Result<Values> integers(const NodeView& view, const std::vector<Sum>& results) {
    Values values;
    values.integers.reserve(results.size());
    const auto min = view.output.type.min(), max = view.output.type.max();
    for (const auto result : results) {
        if (result < min || result > max)
            return fail(Fault::failed, "node '{}' ({}) computed {}, which the type {} of '{}' does not hold",
                        view.node.name, name_of(view.node), result, view.output.type.name(),
                        view.output.name);
        values.integers.push_back(static_cast<std::int32_t>(result));
    }
    return values;
}

Values floats(const std::vector<double>& results) {
    Values values;
    values.floats.reserve(results.size());
    for (const auto result : results)
        values.floats.push_back(static_cast<float>(result));
    return values;
}

Result<Values> move(const NodeView& view, std::span<const Values* const> operands) {
    if (view.output.type.is_integer()) {
        Operands<std::int32_t> spans;
        for (const auto* operand : operands)
            spans.emplace_back(operand->integers);
        return Values{move_elements(view, spans), {}};
    }
    std::vector<std::vector<float>> converted(operands.size());  // of operands that are integers
    Operands<float> spans;
    for (std::size_t i = 0; i < operands.size(); ++i) {
        converted[i].assign(operands[i]->integers.begin(), operands[i]->integers.end());
        spans.emplace_back(converted[i].empty() ? operands[i]->floats : converted[i]);
    }
    return Values{{}, move_elements(view, spans)};
}

Result<Values> arithmetic(const NodeView& view, std::span<const Values* const> operands) {
    const bool whole = std::ranges::none_of(operands, [](const Values* each) { return each->integers.empty(); });
    if (view.output.type.is_integer() && whole) {
        Operands<std::int32_t> spans;
        for (const auto* operand : operands)
            spans.emplace_back(operand->integers);
        return integers(view, compute(view, spans));
    }
    std::vector<std::vector<double>> converted;
    for (const auto* operand : operands)
        converted.push_back(numbers(*operand));
    const auto results = compute(view, Operands<double>(converted.begin(), converted.end()));
    if (view.output.type.is_integer()) return integers(view, results);  // comparisons of fractions
    return floats(results);
}

template <typename Element>
std::vector<double> count_thresholds(const NodeView& view, std::span<const Element> x,
                                     std::span<const Element> thresholds) {
    const auto& attributes = view.node.as<MultiThresholdAttributes>();
    const auto& shape = view.output.shape;
    const auto steps = static_cast<std::size_t>(view.operands[1]->shape[1]);
    const bool per_channel = view.operands[1]->shape[0] != 1;
    std::size_t channels = 1, inner = 1;
    if (per_channel) {
        channels = static_cast<std::size_t>(shape[static_cast<std::size_t>(attributes.channel_axis)]);
        inner = elements(Shape(shape.begin() + attributes.channel_axis + 1, shape.end()));
    }
    std::vector<double> out;
    out.reserve(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        const auto channel = per_channel ? i / inner % channels : 0;
        const auto row = thresholds.subspan(channel * steps, steps);
        const auto passed =
            std::count_if(row.begin(), row.end(), [&](Element threshold) { return x[i] >= threshold; });
        out.push_back(attributes.bias + attributes.scale * static_cast<double>(passed));
    }
    return out;
}

Result<Values> multi_threshold(const NodeView& view, std::span<const Values* const> operands) {
    std::vector<double> results;
    if (view.operands[0]->type.is_integer() && view.operands[1]->type.is_integer()) {
        results = count_thresholds<std::int32_t>(view, operands[0]->integers, operands[1]->integers);
    } else {
        const auto x = numbers(*operands[0]), thresholds = numbers(*operands[1]);
        results = count_thresholds<double>(view, x, thresholds);
    }
    if (view.output.type.is_integer()) return integers(view, results);
    return floats(results);
}

// Computes each element by itself.
Result<Values> map_function(const NodeView& view, const Values& x) {
    auto results = numbers(x);
    for (auto& each : results)
        each = view.node.op == Op::cast ? clamped(std::trunc(each), *view.node.as<CastAttributes>().range)
                                        : apply_function(view.node, each);
    if (view.output.type.is_integer()) return integers(view, results);
    return floats(results);
}

Result<Values> look_up(const NodeView& view, const Values& x, const Values& indices) {
    const auto axis = view.node.as<AxisAttributes>().axis;
    const auto& from = view.operands[0]->shape;
    const auto extent = from[static_cast<std::size_t>(axis)];
    const auto inner = elements(Shape(from.begin() + axis + 1, from.end()));
    const auto outer = view.operands[0]->elements() / static_cast<std::size_t>(extent) / inner;
    Values out;
    const auto pick = [&](const auto& elements, auto& to, std::size_t row, std::int64_t index) {
        const auto first = (row * static_cast<std::size_t>(extent) + static_cast<std::size_t>(index)) * inner;
        for (std::size_t i = 0; i < inner; ++i)
            to.push_back(elements[first + i]);
    };
    for (std::size_t row = 0; row < outer; ++row)
        for (std::int64_t index : indices.integers) {
            if (index < -extent || index >= extent)
                return fail(Fault::failed, "node '{}' (Gather) reads element {} of {}", view.node.name, index, extent);
            if (index < 0) index += extent;
            if (view.output.type.is_integer())
                pick(x.integers, out.integers, row, index);
            else if (x.integers.empty())
                pick(x.floats, out.floats, row, index);
            else
                pick(x.integers, out.floats, row, index);
        }
    return out;
}

// Whole numbers among a file's constants are fractions to it, and are divided as such.
Values quantized_values(const NodeView& view, const Values& x) {
    if (x.integers.empty()) return {quantize(view, std::span<const float>(x.floats)), {}};
    const auto& operand = *view.operands[0];
    if (!operand.is_constant() || operand.declared != "FLOAT32")
        return {quantize(view, std::span<const std::int32_t>(x.integers)), {}};
    const std::vector<float> fractions(x.integers.begin(), x.integers.end());
    return {quantize(view, std::span<const float>(fractions)), {}};
}

Result<Values> indices(const NodeView& view, const Values& x) {
    return integers(view, view.operands[0]->type.is_integer() ? find_indices<std::int32_t>(view, x.integers)
                                                              : find_indices<float>(view, x.floats));
}

Result<> check_input(const Tensor& tensor, const Values& values) {
    const bool integer = tensor.type.is_integer();
    const auto given = integer ? values.integers.size() : values.floats.size();
    const auto other = integer ? values.floats.size() : values.integers.size();
    if (given == tensor.elements() && other == 0) return {};
    return fail(Fault::invalid_input, "input '{}' needs {} {}, and got {} integers and {} fractions",
                tensor.name, tensor.elements(), integer ? "integers" : "fractions", values.integers.size(),
                values.floats.size());
}

// For each tensor, how many nodes and outputs have yet to read it.
std::vector<std::size_t> count_readers(const Graph& graph) {
    std::vector<std::size_t> readers(graph.tensors.size());
    for (const auto& node : graph.nodes)
        for (const auto id : node.inputs)
            ++readers[id];
    for (const auto id : graph.outputs)
        ++readers[id];
    return readers;
}

}  // namespace

Result<Values> run_node(const NodeView& view, std::span<const Values* const> operands) {
    switch (view.node.op) {
        case Op::multi_threshold:
            return multi_threshold(view, operands);
        case Op::quantize:
            return quantized_values(view, *operands[0]);
        case Op::dequantize:
            return floats(dequantize(view, operands[0]->integers));
        case Op::requantize: {
            Operands<std::int32_t> spans;
            for (const auto* operand : operands)
                spans.emplace_back(operand->integers);
            return Values{requantize(view, spans), {}};
        }
        case Op::arg_max:
        case Op::top_k_indices:
            return indices(view, *operands[0]);
        case Op::lookup:
            return look_up(view, *operands[0], *operands[1]);
        default:
            break;
    }
    const bool truncates =
        view.node.op == Op::cast && view.output.type.is_integer() && operands[0]->integers.empty();
    if (truncates || is_function(view.node.op)) return map_function(view, *operands[0]);
    return moves_elements(view.node.op) ? move(view, operands) : arithmetic(view, operands);
}

Result<std::vector<Values>> run_reference(const Graph& graph, std::vector<Values> inputs) {
    if (inputs.size() != graph.inputs.size())
        return fail(Fault::invalid_input, "the network has {} inputs, and got {}", graph.inputs.size(),
                    inputs.size());
    std::vector<Values> computed(graph.tensors.size());
    auto readers = count_readers(graph);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const auto id = graph.inputs[i];
        if (auto done = check_input(graph[id], inputs[i]); !done) return fail(done.error());
        computed[id] = std::move(inputs[i]);
    }
    for (const auto& node : graph.nodes) {
        NodeView view{node, {}, graph[node.outputs[0]]};
        std::vector<const Values*> operands;
        for (const auto id : node.inputs) {
            view.operands.push_back(&graph[id]);
            operands.push_back(graph[id].is_constant() ? &*graph[id].constant : &computed[id]);
        }
        auto result = run_node(view, operands);
        if (!result) return fail(result.error());
        computed[node.outputs[0]] = *std::move(result);
        for (const auto id : node.inputs)
            if (--readers[id] == 0) computed[id] = {};  // nobody needs it any more
    }
    std::vector<Values> outputs;
    for (const auto id : graph.outputs)
        outputs.push_back(std::move(computed[id]));
    return outputs;
}

Result<std::vector<std::vector<std::byte>>> run_reference_wire(
    const Graph& graph, std::span<const std::span<const std::byte>> inputs) {
    if (inputs.size() != graph.inputs.size())
        return fail(Fault::invalid_input, "the network has {} inputs, and got {}", graph.inputs.size(),
                    inputs.size());
    std::vector<Values> values;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        auto read = values_from_wire(graph[graph.inputs[i]], inputs[i]);
        if (!read) return fail(read.error());
        values.push_back(*std::move(read));
    }
    const auto results = run_reference(graph, std::move(values));
    if (!results) return fail(results.error());
    std::vector<std::vector<std::byte>> outputs;
    for (std::size_t i = 0; i < results->size(); ++i) {
        const auto& tensor = graph[graph.outputs[i]];
        outputs.emplace_back(wire_desc(tensor).wire_bytes());
        if (auto done = values_to_wire(tensor, (*results)[i], outputs.back()); !done)
            return fail(done.error());
    }
    return outputs;
}

}  // namespace fard::model
