#include "model/passes/chain.hpp"

#include <algorithm>
#include <cmath>

#include "model/functions.hpp"
#include "model/operators.hpp"
#include "model/tables.hpp"

namespace fard::model {
namespace {

constexpr std::size_t most_links = 32;  // a file may have any number

double entry(const std::vector<double>& list, std::size_t channel) {
    return list[list.size() == 1 ? 0 : channel];
}

// A constant that, broadcast to `shape`, varies along one dimension at most.
struct Spread {
    int axis = -1;
    std::vector<double> values;
};

std::optional<Spread> spread(const Tensor& constant, const Shape& shape) {
    Spread spread{-1, numbers_of(constant)};
    if (constant.shape.size() > shape.size()) return std::nullopt;
    const auto lead = shape.size() - constant.shape.size();
    for (std::size_t i = 0; i < constant.shape.size(); ++i) {
        if (constant.shape[i] == 1) continue;
        if (spread.axis >= 0 || constant.shape[i] != shape[i + lead]) return std::nullopt;
        spread.axis = static_cast<int>(i + lead);
    }
    return spread;
}

// Reads one node as a link; none if it is not one.
struct Found {
    Link link;
    TensorId operand;
    int axis = -1;
};

std::optional<Found> binary_link(Rewriter& graph, const Node& node) {
    const bool swapped = graph[node.inputs[0]].is_constant();
    const auto data = node.inputs[swapped ? 1 : 0], constant = node.inputs[swapped ? 0 : 1];
    const auto& shape = graph[node.outputs[0]].shape;
    if (graph[data].is_constant() || !graph[constant].is_constant() || graph[data].shape != shape)
        return std::nullopt;
    if (node.op == Op::div && swapped) return std::nullopt;
    auto values = spread(graph[constant], shape);
    if (!values) return std::nullopt;
    if (node.op == Op::div && std::ranges::find(values->values, 0.0) != values->values.end())
        return std::nullopt;
    return Found{{node, swapped, {std::move(values->values)}}, data, values->axis};
}

std::optional<Found> batch_normalization_link(Rewriter& graph, const Node& node) {
    Found found{{node, false, {}}, node.inputs[0], 1};
    for (std::size_t i = 1; i < node.inputs.size(); ++i)
        found.link.constants.push_back(numbers_of(graph[node.inputs[i]]));
    return found;
}

std::optional<Found> link_of(Rewriter& graph, const Node& node) {
    switch (node.op) {
        case Op::add:
        case Op::sub:
        case Op::mul:
        case Op::div:
            return binary_link(graph, node);
        case Op::batch_normalization:
            return batch_normalization_link(graph, node);
        case Op::identity:
            return Found{{node, false, {}}, node.inputs[0]};
        default:
            return is_function(node.op) && node.op != Op::sqrt
                       ? std::optional(Found{{node, false, {}}, node.inputs[0]})
                       : std::nullopt;
    }
}

double apply_link(const Link& link, std::size_t channel, double x) {
    const auto constant = [&](std::size_t i) { return entry(link.constants[i], channel); };
    switch (link.node.op) {
        case Op::add:
            return x + constant(0);
        case Op::sub:
            return link.swapped ? constant(0) - x : x - constant(0);
        case Op::mul:
            return x * constant(0);
        case Op::div:
            return x / constant(0);
        case Op::batch_normalization: {
            const auto epsilon = link.node.as<BatchNormalizationAttributes>().epsilon;
            return (x - constant(2)) / std::sqrt(constant(3) + epsilon) * constant(0) + constant(1);
        }
        default:
            return apply_function(link.node, x);
    }
}

std::optional<int> link_direction(const Link& link, std::size_t channel) {
    const auto sign = [&](double value) { return value < 0 ? -1 : 1; };
    switch (link.node.op) {
        case Op::sub:
            return link.swapped ? -1 : 1;
        case Op::mul:
        case Op::div:
        case Op::batch_normalization:
            return sign(entry(link.constants[0], channel));
        case Op::leaky_relu:
            return link.node.as<LeakyReluAttributes>().alpha >= 0 ? std::optional(1) : std::nullopt;
        case Op::function: {
            const int direction = link.node.as<FunctionAttributes>().row->direction;
            return direction == 0 ? std::nullopt : std::optional(direction);
        }
        case Op::hard_sigmoid:
            return sign(link.node.as<HardSigmoidAttributes>().alpha);
        default:
            return 1;
    }
}

void scale(Line& line, double by) {
    line.slope *= by, line.offset *= by;
    const auto low = line.low * by, high = line.high * by;
    line.low = std::min(low, high), line.high = std::max(low, high);
}

void shift(Line& line, double by) {
    line.offset += by, line.low += by, line.high += by;
}

bool extend_line(Line& line, const Link& link, std::size_t channel) {
    const auto constant = [&](std::size_t i) { return entry(link.constants[i], channel); };
    switch (link.node.op) {
        case Op::add:
            return shift(line, constant(0)), true;
        case Op::sub:
            if (link.swapped) scale(line, -1);
            return shift(line, link.swapped ? constant(0) : -constant(0)), true;
        case Op::mul:
            if (constant(0) == 0) return false;
            return scale(line, constant(0)), true;
        case Op::div:
            return scale(line, 1 / constant(0)), true;
        case Op::batch_normalization: {
            const auto deviation =
                std::sqrt(constant(3) + link.node.as<BatchNormalizationAttributes>().epsilon);
            if (constant(0) == 0 || !(deviation > 0)) return false;
            shift(line, -constant(2));
            scale(line, constant(0) / deviation);
            return shift(line, constant(1)), true;
        }
        case Op::identity:
            return true;
        case Op::relu:
        case Op::clip: {
            const auto bounds = link.node.op == Op::clip
                                    ? link.node.as<ClipAttributes>()
                                    : ClipAttributes{0, std::numeric_limits<double>::infinity()};
            const auto clip = [&](double x) { return std::min(std::max(x, bounds.min), bounds.max); };
            line.low = clip(line.low), line.high = clip(line.high);
            return true;
        }
        default:
            return false;
    }
}

}  // namespace

std::optional<Chain> Chain::behind(Rewriter& graph, TensorId id) {
    Chain chain;
    chain.source_ = id;
    while (!graph[chain.source_].type.is_integer()) {
        const auto* producer = graph.producer(chain.source_);
        auto found = producer == nullptr ? std::nullopt : link_of(graph, *producer);
        if (!found || chain.links_.size() == most_links) break;
        if (!chain.join_axis(found->axis)) return std::nullopt;
        chain.source_ = found->operand;
        chain.links_.push_back(std::move(found->link));
    }
    std::ranges::reverse(chain.links_);
    return chain;
}

bool Chain::join_axis(int axis) {
    if (axis >= 0 && axis_ >= 0 && axis != axis_) return false;
    axis_ = std::max(axis, axis_);
    return true;
}

double Chain::apply(std::size_t channel, double x) const {
    for (const auto& link : links_)
        x = apply_link(link, channel, x);
    return x;
}

std::optional<int> Chain::direction(std::size_t channel) const {
    int all = 1;
    for (const auto& link : links_) {
        const auto own = link_direction(link, channel);
        if (!own) return std::nullopt;
        all *= *own;
    }
    return all;
}

std::optional<Line> Chain::line(std::size_t channel) const {
    Line line;
    for (const auto& link : links_)
        if (!extend_line(line, link, channel)) return std::nullopt;
    return line;
}

}  // namespace fard::model
