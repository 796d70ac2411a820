#include "overlays/soft/lower/tables.hpp"

#include <algorithm>
#include <cmath>

#include "model/functions.hpp"
#include "model/tables.hpp"
#include "overlays/soft/steps/any_product_step.hpp"
#include "overlays/soft/steps/table_steps.hpp"

namespace fard::soft {
namespace {

using model::Node;
using model::Op;

template <typename Function>
BlockFunction of_one(Function function) {
    return [function](const double* const* from, double* to, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            to[i] = function(from[0][i]);
    };
}

template <typename Function>
BlockFunction of_two(Function function) {
    return [function](const double* const* from, double* to, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            to[i] = function(from[0][i], from[1][i]);
    };
}

BlockFunction function_of(const Node& node) {
    if (node.op == Op::function)
        return [read = node.as<model::FunctionAttributes>()](const double* const* from, double* to, std::size_t count) {
            read.row->of_each(from[0], to, count, read.alpha, read.beta);
        };
    return of_one([&node](double x) { return model::apply_function(node, x); });
}

BlockFunction cast_of(const Node& node) {
    const auto& range = node.as<model::CastAttributes>().range;
    if (!range) return of_one([](double x) { return x; });
    return of_one([range = *range](double x) { return static_cast<double>(model::clamped(std::trunc(x), range)); });
}

// An empty function where there is none.
BlockFunction block_function(const Node& node, bool whole) {
    switch (node.op) {
        case Op::add:
            return of_two([](double a, double b) { return a + b; });
        case Op::sub:
            return of_two([](double a, double b) { return a - b; });
        case Op::mul:
            return of_two([](double a, double b) { return a * b; });
        case Op::div:
            return whole ? of_two([](double a, double b) { return std::trunc(a / b); })
                         : of_two([](double a, double b) { return a / b; });
        case Op::pow:
            return of_two([](double a, double b) { return std::pow(a, b); });
        case Op::pairwise:
            return [row = node.as<model::PairwiseAttributes>().row](const double* const* from, double* to,
                                                                    std::size_t count) {
                row->of_each(from[0], from[1], to, count);
            };
        case Op::where:
            return [](const double* const* from, double* to, std::size_t count) {
                for (std::size_t i = 0; i < count; ++i)
                    to[i] = from[0][i] != 0 ? from[1][i] : from[2][i];
            };
        case Op::cast:
            return cast_of(node);
        case Op::identity:
            return of_one([](double x) { return x; });
        default:
            return model::is_function(node.op) ? function_of(node) : BlockFunction{};
    }
}

// ---- those with numbers of their own for each channel: its number is the last operand

std::size_t channel_of(double number) {
    return static_cast<std::size_t>(number);
}

BlockFunction quantize_of(const Node& node, bool whole) {
    const auto& attributes = node.as<model::QuantizeAttributes>();
    if (whole)
        return of_two([&attributes](double x, double c) { return static_cast<double>(model::quantized(attributes, channel_of(c), x)); });
    return of_two([&attributes](double x, double c) {
        return static_cast<double>(model::quantized_fraction(attributes, channel_of(c), static_cast<float>(x)));
    });
}

BlockFunction dequantize_of(const Node& node) {
    const auto& affine = node.as<model::DequantizeAttributes>().affine;
    return of_two([&affine](double x, double c) {
        const auto at = affine.scale.size() == 1 ? 0 : channel_of(c);
        return (x - affine.zero_point[at]) * affine.scale[at];
    });
}

BlockFunction requantize_of(const Node& node) {
    const auto& attributes = node.as<model::RequantizeAttributes>();
    const auto entry = [](const std::vector<double>& list, std::size_t c) { return list[list.size() == 1 ? 0 : c]; };
    return [&attributes, entry](const double* const* from, double* to, std::size_t count) {
        const auto terms = attributes.operands.size();
        for (std::size_t i = 0; i < count; ++i) {
            const auto c = channel_of(from[terms][i]);
            const auto term = [&](std::size_t operand) {
                const auto& each = attributes.operands[operand];
                return (from[operand][i] - each.zero_point) * entry(each.multiplier, c);
            };
            double sum = term(0);
            for (std::size_t operand = 1; operand < terms; ++operand)
                sum = sum + term(operand);
            if (!attributes.offset.empty()) sum = sum + entry(attributes.offset, c);
            to[i] = model::clamped(model::rounded(model::Rounding::half_even, sum) + attributes.zero_point,
                                   attributes.range);
        }
    };
}

BlockFunction count_of(const Node& node, const model::Tensor& thresholds) {
    const auto& attributes = node.as<model::MultiThresholdAttributes>();
    const auto& values = *thresholds.constant;
    const auto rows = static_cast<std::size_t>(thresholds.shape[0]), steps = static_cast<std::size_t>(thresholds.shape[1]);
    std::vector<std::vector<double>> sorted(rows);
    for (std::size_t i = 0; i < rows * steps; ++i) {
        const auto value = values.integers.empty() ? static_cast<double>(values.floats[i]) : values.integers[i];
        if (!std::isnan(value)) sorted[i / steps].push_back(value);
    }
    for (auto& row : sorted)
        std::ranges::sort(row);
    return of_two([&attributes, sorted](double x, double c) {
        const auto& row = sorted[sorted.size() == 1 ? 0 : channel_of(c)];
        const auto passed = std::isnan(x) ? 0 : std::ranges::upper_bound(row, x) - row.begin();
        return attributes.bias + attributes.scale * static_cast<double>(passed);
    });
}

BlockFunction normalization_of(const Node& node, const model::Graph& graph) {
    std::vector<std::vector<double>> lists;
    for (std::size_t i = 1; i < 5; ++i) {
        const auto& values = *graph[node.inputs[i]].constant;
        lists.emplace_back(values.floats.begin(), values.floats.end());
        if (!values.integers.empty()) lists.back().assign(values.integers.begin(), values.integers.end());
    }
    for (auto& variance : lists[3])
        variance = std::sqrt(variance + node.as<model::BatchNormalizationAttributes>().epsilon);
    return of_two([lists](double x, double number) {
        const auto c = channel_of(number);
        return (x - lists[2][c]) / lists[3][c] * lists[0][c] + lists[1][c];
    });
}

struct ByChannel {
    BlockFunction function;
    int axis = -1;
    std::size_t operands = 1;
};

std::optional<ByChannel> by_channel(const Node& node, const model::Graph& graph) {
    const auto& x = graph[node.inputs[0]];
    switch (node.op) {
        case Op::quantize:
            return ByChannel{quantize_of(node, x.type.is_integer()), node.as<model::QuantizeAttributes>().affine.axis};
        case Op::dequantize:
            return ByChannel{dequantize_of(node), node.as<model::DequantizeAttributes>().affine.axis};
        case Op::requantize:
            return ByChannel{requantize_of(node), node.as<model::RequantizeAttributes>().axis, node.inputs.size()};
        case Op::multi_threshold: {
            const auto& thresholds = graph[node.inputs[1]];
            const int axis = node.as<model::MultiThresholdAttributes>().channel_axis;
            return ByChannel{count_of(node, thresholds), thresholds.shape[0] == 1 ? -1 : axis};
        }
        case Op::batch_normalization:
            for (std::size_t i = 1; i < 5; ++i)
                if (!graph[node.inputs[i]].is_constant()) return std::nullopt;
            return ByChannel{normalization_of(node, graph), 1};
        default:
            return std::nullopt;
    }
}

// The channels' numbers, where they lie in a tensor of this shape.
Feed channel_numbers(const model::Shape& shape, int axis) {
    Feed feed;
    feed.shape = model::Shape(shape.size(), 1);
    feed.numbers = {0};
    if (axis < 0) return feed;
    feed.shape[static_cast<std::size_t>(axis)] = shape[static_cast<std::size_t>(axis)];
    feed.numbers.resize(static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]));
    for (std::size_t i = 0; i < feed.numbers.size(); ++i)
        feed.numbers[i] = static_cast<double>(i);
    return feed;
}

void softmax_line(const double* from, std::size_t count, double* to, std::size_t) {
    double largest = from[0], sum = 0;
    for (std::size_t i = 0; i < count; ++i)
        largest = std::max(largest, from[i]);
    for (std::size_t i = 0; i < count; ++i)
        sum += to[i] = std::exp(from[i] - largest);
    for (std::size_t i = 0; i < count; ++i)
        to[i] /= sum;
}

// Of any two tensors.
StepPtr product_of(const Surroundings& around, const Node& node, const std::vector<Feed>& feeds, const Outcome& outcome) {
    Product product{feeds[0], feeds[1]};
    product.exact = around.graph.exact_fractions;
    if (node.op == Op::gemm) {
        const auto& attributes = node.as<model::GemmAttributes>();
        product.alpha = attributes.alpha, product.beta = attributes.beta;
        product.transpose_a = attributes.transpose_a, product.transpose_b = attributes.transpose_b;
        if (feeds.size() > 2) product.c = feeds[2];
    }
    return make_any_product_step(*around.kernels.floats, product, outcome);
}

LineFunction best_of(const model::ArgMaxAttributes& attributes) {
    return [attributes](const double* from, std::size_t count, double* to, std::size_t) {
        std::size_t best = 0;
        for (std::size_t i = 1; i < count; ++i)
            if ((attributes.smallest ? from[i] < from[best] : from[i] > from[best]) ||
                (attributes.last && from[i] == from[best]))
                best = i;
        *to = static_cast<double>(best);
    };
}

}  // namespace

StepPtr lower_tables(const Surroundings& around, const Node& node, BufferId out_buffer) {
    const auto& graph = around.graph;
    const auto out = node.outputs[0];
    std::vector<Feed> feeds;
    for (const auto id : node.inputs)
        feeds.push_back({around.buffers[id], around.storages[id], graph[id].is_constant() ? &graph[id] : nullptr,
                         graph[id].shape});
    const Outcome outcome{out_buffer, around.storages[out], graph[out], node.name};
    if (auto function = block_function(node, graph[out].type.is_integer()))
        return make_broadcast_step(std::move(feeds), outcome, std::move(function));
    if (auto found = by_channel(node, graph)) {
        feeds.resize(found->operands);
        if (feeds.size() >= most_feeds) return nullptr;
        const bool constants = std::ranges::any_of(feeds, [](const Feed& feed) { return !feed.computed(); });
        if (constants) return nullptr;
        feeds.push_back(channel_numbers(graph[out].shape, found->axis));
        return make_broadcast_step(std::move(feeds), outcome, std::move(found->function));
    }
    if (node.op == Op::matmul || node.op == Op::gemm) return product_of(around, node, feeds, outcome);
    if (node.op == Op::concat) return make_join_step(feeds, outcome, node.as<model::AxisAttributes>().axis);
    if (node.op == Op::lookup) return make_lookup_step(feeds[0], feeds[1], outcome, node.as<model::AxisAttributes>().axis);
    if (!feeds[0].computed()) return nullptr;
    switch (node.op) {
        case Op::reduce:
        case Op::reduce_sum:
        case Op::reduce_mean:
            return make_reduce_step(feeds[0], outcome, node);
        case Op::resample:
            return make_resample_step(feeds[0], outcome, node.as<model::ResampleAttributes>());
        case Op::softmax: {
            const auto& attributes = node.as<model::SoftmaxAttributes>();
            const bool one = !attributes.flattened || attributes.axis + 1 == static_cast<int>(graph[out].shape.size());
            return one ? make_line_step(feeds[0], outcome, attributes.axis, softmax_line) : nullptr;
        }
        case Op::arg_max: {
            const auto& attributes = node.as<model::ArgMaxAttributes>();
            const bool same_order = around.storages[out].channels_last == feeds[0].storage.channels_last ||
                                    (around.storages[out].in_graph_order() && feeds[0].storage.in_graph_order());
            return same_order ? make_line_step(feeds[0], outcome, attributes.axis, best_of(attributes)) : nullptr;
        }
        default:
            return nullptr;
    }
}

}  // namespace fard::soft
