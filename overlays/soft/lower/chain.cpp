#include "overlays/soft/lower/chain.hpp"

#include <algorithm>

#include "model/functions.hpp"
#include "model/reference.hpp"
#include "overlays/soft/steps/simple_steps.hpp"

namespace fard::soft {
namespace {

using model::Node;
using model::Op;
using model::TensorId;

constexpr std::size_t most_nodes = 64;

// Which operand the node computes each element of by itself, all elements alike; none: it is no such node.
std::optional<std::size_t> sole_operand(const model::Graph& graph, const Node& node) {
    const auto& shape = graph[node.outputs[0]].shape;
    switch (node.op) {
        case Op::dequantize:
            if (node.as<model::DequantizeAttributes>().affine.scale.size() != 1) return std::nullopt;
            return 0;
        case Op::quantize:
            if (node.as<model::QuantizeAttributes>().affine.scale.size() != 1) return std::nullopt;
            return 0;
        case Op::multi_threshold:
            if (graph[node.inputs[1]].shape[0] != 1) return std::nullopt;
            return 0;
        case Op::cast:
        case Op::identity:
            return 0;
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::div:
        case Op::pow:
        case Op::pairwise: {
            const std::size_t data = graph[node.inputs[0]].is_constant() ? 1 : 0;
            const auto& other = graph[node.inputs[1 - data]];
            if (!other.is_constant() || other.elements() != 1 || graph[node.inputs[data]].shape != shape) return std::nullopt;
            return data;
        }
        default:
            return model::is_function(node.op) ? std::optional<std::size_t>(0) : std::nullopt;
    }
}

// What the node makes of these numbers.
std::optional<model::Values> computed(const model::Graph& graph, const Node& node, std::size_t data,
                                      const model::Values& numbers, std::size_t count) {
    const model::Shape shape{static_cast<std::int64_t>(count)};
    auto x = graph[node.inputs[data]], made = graph[node.outputs[0]];
    x.shape = made.shape = shape;
    std::vector<const model::Tensor*> tensors;
    std::vector<const model::Values*> values;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const auto& other = graph[node.inputs[i]];
        tensors.push_back(i == data ? &x : &other);
        values.push_back(i == data ? &numbers : &*other.constant);
    }
    auto result = model::run_node({node, tensors, made}, values);
    if (!result) return std::nullopt;
    return *std::move(result);
}

}  // namespace

std::optional<FoundChain> lower_chain(const Surroundings& around, const Node& node, BufferId out_buffer) {
    const auto& graph = around.graph;
    const auto first = sole_operand(graph, node);
    if (!first || graph[node.inputs[*first]].is_constant()) return std::nullopt;
    const auto in = node.inputs[*first];
    const auto& from = around.storages[in];
    if (from.kind != Storage::Kind::u8 || around.storages[node.outputs[0]].kind != Storage::Kind::f32) return std::nullopt;
    const auto count = static_cast<std::size_t>(from.width) + 1;
    model::Values numbers;
    for (std::size_t code = 0; code < count; ++code)
        numbers.integers.push_back(static_cast<std::int32_t>(code) + from.base);

    FoundChain found;
    const auto* last = &node;
    auto data = first;
    for (std::size_t length = 0; length < most_nodes; ++length) {
        auto made = computed(graph, *last, *data, numbers, count);
        const auto out = last->outputs[0];
        const auto& to = around.storages[out];
        if (!made || !to.same_places(from)) return std::nullopt;
        numbers = *std::move(made);
        if (to.kind == Storage::Kind::u8) {
            std::vector<std::uint8_t> table(256);
            for (std::size_t code = 0; code < count; ++code) {
                const auto result = numbers.integers[code] - to.base;
                if (result < 0 || result > to.width) return std::nullopt;
                table[code] = static_cast<std::uint8_t>(result);
            }
            found.step = make_table_step({around.buffers[in], out_buffer, from, to}, std::move(table));
            found.output = out;
            return found;
        }
        const auto* next = around.sole_reader[out];
        data = next == nullptr ? std::nullopt : sole_operand(graph, *next);
        if (!data || next->inputs[*data] != out) return std::nullopt;
        found.joined.push_back(next);
        last = next;
    }
    return std::nullopt;
}

}  // namespace fard::soft
