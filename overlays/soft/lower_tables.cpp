#include "overlays/soft/lower_tables.hpp"

#include <algorithm>
#include <cmath>

#include "model/functions.hpp"
#include "model/tables.hpp"
#include "overlays/soft/table_steps.hpp"

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

void softmax_line(const double* from, std::size_t count, double* to, std::size_t) {
    double largest = from[0], sum = 0;
    for (std::size_t i = 0; i < count; ++i)
        largest = std::max(largest, from[i]);
    for (std::size_t i = 0; i < count; ++i)
        sum += to[i] = std::exp(from[i] - largest);
    for (std::size_t i = 0; i < count; ++i)
        to[i] /= sum;
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
    if (node.op == Op::lookup) return make_lookup_step(feeds[0], feeds[1], outcome, node.as<model::AxisAttributes>().axis);
    if (feeds[0].constant != nullptr) return nullptr;
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
