// Where a chain of functions of integers ends in integers again.
#include <algorithm>
#include <cmath>

#include "model/functions.hpp"
#include "model/operators.hpp"
#include "model/passes/ending.hpp"
#include "model/passes/moves.hpp"
#include "model/passes/rules.hpp"

namespace fard::model {
namespace {

constexpr std::int64_t few_levels = 15;    // up to so many thresholds they are better than a multiplication
constexpr std::int64_t most_levels = 255;  // that become thresholds at all
constexpr int most_moves = 16;             // one behind the other; a file may have any number

// A quantizer: which of the integers min, min + step, min + 2 step, ... an element becomes.
class Quantizer {
  public:
    Quantizer(const Rewriter& graph, const Node& node) : node_(node) {
        if (node.op == Op::quantize) {
            const auto& range = quantize().range;
            step_ = quantize().rounding == Rounding::to_sign ? range.max - range.min : 1;
            levels = (range.max - range.min) / step_;
            axis = quantize().affine.axis;
            output_ = {static_cast<double>(step_), static_cast<double>(range.min)};
            return;
        }
        const auto& thresholds = graph[node.inputs[1]];
        const auto& attributes = node.as<MultiThresholdAttributes>();
        thresholds_ = numbers_of(thresholds);
        levels = thresholds.shape[1];
        axis = thresholds.shape[0] == 1 ? -1 : attributes.channel_axis;
        output_ = {attributes.scale, attributes.bias};
    }

    bool is_quantize() const { return node_.op == Op::quantize; }
    const QuantizeAttributes& quantize() const { return node_.as<QuantizeAttributes>(); }
    MultiThresholdAttributes thresholds(int channel_axis) const {
        return {output_.scale, output_.bias, channel_axis};
    }

    std::int64_t level(std::size_t channel, double x) const {
        if (is_quantize()) {
            const auto above = quantized(quantize(), channel, x) - quantize().range.min;
            return step_ == 1 ? above : above / step_;
        }
        const auto count = static_cast<std::size_t>(levels);
        const auto* row = thresholds_.data() + (axis < 0 ? 0 : channel * count);
        return std::count_if(row, row + count, [&](double threshold) { return x >= threshold; });
    }

    // Whether a larger element never becomes a smaller integer.
    bool rises() const { return output_.scale >= 0; }

    std::int64_t levels = 0;
    int axis = -1;

  private:
    struct Output {
        double scale, bias;
    };
    const Node& node_;
    std::vector<double> thresholds_;
    Output output_{};
    std::int64_t step_ = 1;
};

std::size_t channels_of(const Shape& shape, int axis) {
    return axis < 0 ? 1 : static_cast<std::size_t>(shape[static_cast<std::size_t>(axis)]);
}

double scale_of(const Real& real, std::size_t channel) {
    return real.affine.scale[real.whole_tensor() ? 0 : channel];
}

std::int32_t zero_of(const Real& real, std::size_t channel) {
    return real.affine.zero_point[real.whole_tensor() ? 0 : channel];
}

// The integers that a quantizer gives for the two ends of a line, over all channels the same.
std::optional<Range> clamped_range(const Quantizer& quantizer, const std::vector<Line>& lines) {
    const auto& attributes = quantizer.quantize();
    std::optional<Range> range;
    for (std::size_t c = 0; c < lines.size(); ++c) {
        const Range own{quantized(attributes, c, lines[c].low), quantized(attributes, c, lines[c].high)};
        if (range && *range != own) return std::nullopt;
        range = own;
    }
    return range;
}

// The chain as one multiplication and addition, where that is what it is.
std::optional<RequantizeAttributes> as_requantize(const Quantizer& quantizer, const Ending& ending,
                                                  const Shape& shape) {
    if (!quantizer.is_quantize() || quantizer.quantize().rounding != Rounding::half_even) return std::nullopt;
    const auto& affine = quantizer.quantize().affine;
    const int axis = ending.chain().axis();
    const auto channels = channels_of(shape, axis);
    std::vector<Line> lines;
    std::vector<Ending::Weighted> sums;
    for (std::size_t c = 0; c < channels; ++c) {
        const auto line = ending.chain().line(c);
        auto sum = ending.weighted(c);
        if (!line || !sum) return std::nullopt;
        lines.push_back(*line);
        sums.push_back(*std::move(sum));
    }
    const auto range = clamped_range(quantizer, lines);
    if (!range) return std::nullopt;
    RequantizeAttributes attributes;
    attributes.range = *range;
    attributes.axis = axis;
    const bool one_zero =
        std::ranges::all_of(affine.zero_point, [&](auto zero) { return zero == affine.zero_point[0]; });
    if (!one_zero) return std::nullopt;
    if (!quantizer.quantize().add_then_round) attributes.zero_point = affine.zero_point[0];
    for (std::size_t i = 0; i < ending.terms().size(); ++i) {
        const auto& term = ending.terms()[i];
        RequantizeAttributes::Operand operand{{}, term.affine.zero_point[0]};
        for (std::size_t c = 0; c < channels; ++c) {
            if (zero_of(term, c) != operand.zero_point) return std::nullopt;
            const auto out = affine.scale[affine.axis < 0 ? 0 : c];
            operand.multiplier.push_back(sums[c].factors[i] * lines[c].slope * scale_of(term, c) / out);
            if (!std::isfinite(operand.multiplier.back())) return std::nullopt;
        }
        attributes.operands.push_back(std::move(operand));
    }
    for (std::size_t c = 0; c < channels; ++c) {
        const auto added = quantizer.quantize().add_then_round ? affine.zero_point[0] : 0;
        const auto offset = lines[c].slope * sums[c].offset + lines[c].offset;
        attributes.offset.push_back(offset / affine.scale[affine.axis < 0 ? 0 : c] + added);
        if (!std::isfinite(attributes.offset.back())) return std::nullopt;
    }
    const auto shorten = [](std::vector<double>& list) {
        if (std::ranges::all_of(list, [&](double each) { return each == list[0]; })) list.resize(1);
    };
    for (auto& operand : attributes.operands)
        shorten(operand.multiplier);
    shorten(attributes.offset);
    if (attributes.offset == std::vector<double>{0}) attributes.offset.clear();
    return attributes;
}

// For each level the first integer at which a function that does not decrease reaches it; one beyond `range`
// where it never does. Levels are often evenly spaced: the next is looked for where the last two say, and from there on in steps
// that double, before what is left is halved.
template <typename Level>
void first_integers(Range range, std::int64_t levels, Level level, std::vector<std::int32_t>& out) {
    const std::int64_t end = range.max + 1;
    std::int64_t from = range.min;
    std::optional<std::int64_t> space;
    for (std::int64_t wanted = 1; wanted <= levels; ++wanted) {
        std::int64_t low = from, high = end, at = 0;
        const auto look = [&](std::int64_t place) {
            at = place;
            if (level(at) >= wanted)
                high = at;
            else
                low = at + 1;
        };
        if (space && low < high) {
            look(std::min(from + *space, high - 1));
            if (high == at)
                for (std::int64_t step = 1; low < high && high == at; step *= 2)
                    look(std::max(high - step, low));
            else
                for (std::int64_t step = 1; low < high && low == at + 1; step *= 2)
                    look(std::min(low + step - 1, high - 1));
        }
        while (low < high)
            look(low + (high - low) / 2);
        if (wanted > 1) space = low - from;
        out.push_back(static_cast<std::int32_t>(low));
        from = low;
    }
}

// A constant that is 1 or -1 for each channel, in a shape of `rank` dimensions.
TensorId sign_constant(Rewriter& graph, const std::string& hint, const std::vector<int>& signs,
                       std::size_t rank, std::size_t axis) {
    Shape shape(rank - axis, 1);
    shape[0] = static_cast<std::int64_t>(signs.size());
    return graph.constant(hint + "_signs", shape, {{signs.begin(), signs.end()}, {}});
}

// The dimension of a product's result that counts its output channels.
int output_channels(const Node& node, const Shape& shape) {
    return node.op == Op::conv ? 1 : static_cast<int>(shape.size()) - 1;
}

// The product that makes x once more, with the weights and bias of some channels along `channels` negated. Empty where
// x is no product with constants, or these are not its output channels.
std::optional<TensorId> with_turned_weights(Rewriter& graph, TensorId x, const std::vector<int>& signs,
                                            int channels) {
    const auto* producer = graph.producer(x);
    const bool product = producer != nullptr &&
                         (producer->op == Op::conv || producer->op == Op::gemm || producer->op == Op::matmul);
    if (!product || signs.size() == 1 || channels != output_channels(*producer, graph[x].shape))
        return std::nullopt;
    Node node = *producer;
    if (node.op != Op::conv && graph[node.inputs[1]].shape.size() != 2) return std::nullopt;
    if (!graph.may_make(graph[node.inputs[1]].elements())) return std::nullopt;
    const bool rows = node.op == Op::conv || (node.op == Op::gemm && node.as<GemmAttributes>().transpose_b);
    for (std::size_t i = 1; i < node.inputs.size(); ++i) {
        const auto constant = node.inputs[i];
        const auto& shape = graph[constant].shape;
        const std::size_t axis = i == 2 ? shape.size() - 1 : rows ? 0 : 1;
        if (!graph[constant].is_constant() || shape.size() <= axis ||
            shape[axis] != static_cast<std::int64_t>(signs.size()))
            return std::nullopt;
        const auto name = graph[constant].name;
        const auto factors = sign_constant(graph, name, signs, shape.size(), axis);
        const auto turned = graph.emit(Op::mul, {}, {constant, factors}, name + "_turned",
                                       {graph[constant].shape, Layout::none, false, graph[constant].type});
        if (!turned) return std::nullopt;
        node.inputs[i] = *turned;
    }
    const auto shape = graph[x].shape;
    const auto layout = graph[x].layout;
    return graph.emit(node.op, node.attributes, node.inputs, node.name, {shape, layout, true});
}

// Integers whose sign is turned where a channel's function decreases.
std::optional<TensorId> with_signs(Rewriter& graph, TensorId x, const std::vector<int>& signs, int axis) {
    if (std::ranges::find(signs, -1) == signs.end()) return x;
    if (const auto turned = with_turned_weights(graph, x, signs, axis)) return turned;
    const auto shape = graph[x].shape;
    const auto layout = graph[x].layout;
    const auto name = graph[x].name;
    const auto factors = sign_constant(graph, name, signs, axis < 0 ? 1 : shape.size(),
                                       axis < 0 ? 0 : static_cast<std::size_t>(axis));
    return graph.emit(Op::mul, {}, {x, factors}, name + "_turned", {shape, layout, true});
}

// The chain as thresholds on its integers.
bool as_thresholds(Rewriter& graph, TensorId output, const Quantizer& quantizer, const Ending& ending) {
    if (ending.terms().size() != 1 || quantizer.levels > most_levels) return false;
    const auto& real = ending.terms()[0];
    const int axis = ending.chain().axis();
    const auto channels = channels_of(graph[output].shape, axis);
    // Behind the last integer, on either side, there is a threshold that nothing reaches.
    const Range range = *graph[real.integers].range;
    if (!fits_32_bits({-range.max - 1, range.max + 1}) || !fits_32_bits({range.min - 1, -range.min + 1}))
        return false;
    if (!graph.may_make(channels * static_cast<std::size_t>(quantizer.levels))) return false;
    std::vector<int> signs;
    std::vector<std::int32_t> thresholds;
    for (std::size_t c = 0; c < channels; ++c) {
        const auto direction = ending.chain().direction(c);
        if (!direction) return false;
        const int sign = *direction;
        signs.push_back(sign);
        const auto level = [&](std::int64_t x) {
            const auto distance = static_cast<double>(sign * x - zero_of(real, c));
            return quantizer.level(c, ending.chain().apply(c, distance * scale_of(real, c)));
        };
        first_integers(sign > 0 ? range : Range{-range.max, -range.min}, quantizer.levels, level, thresholds);
    }
    const auto x = with_signs(graph, real.integers, signs, axis);
    if (!x) return false;
    const auto rows = static_cast<std::int64_t>(channels);
    const auto constant =
        graph.constant(graph[output].name + "_thresholds", {rows, quantizer.levels}, {thresholds, {}});
    const int counted = axis >= 0 ? axis : graph[output].shape.size() > 1 ? 1 : 0;
    return graph.emit_as(output, Op::multi_threshold, quantizer.thresholds(counted), {*x, constant});
}

// The same scale, zero point and no clamping: nothing is left to do.
bool is_nothing(const Rewriter& graph, const RequantizeAttributes& attributes, const Ending& ending) {
    const auto& term = attributes.operands[0];
    return attributes.operands.size() == 1 && term.multiplier == std::vector<double>{1} &&
           attributes.offset.empty() && term.zero_point == attributes.zero_point &&
           holds(attributes.range, *graph[ending.terms()[0].integers].range);
}

bool end_chain(Rewriter& graph, TensorId output, TensorId input, const Quantizer& quantizer) {
    auto ending = Ending::before(graph, input);
    if (!ending || !ending->join_axis(quantizer.axis)) return false;
    const auto requantize = as_requantize(quantizer, *ending, graph[output].shape);
    if (requantize && is_nothing(graph, *requantize, *ending)) {
        graph.replace(output, ending->terms()[0].integers);
        return true;
    }
    if ((!requantize || quantizer.levels <= few_levels) && as_thresholds(graph, output, quantizer, *ending))
        return true;
    if (!requantize) return false;
    std::vector<TensorId> inputs;
    for (const auto& term : ending->terms())
        inputs.push_back(term.integers);
    return graph.emit_as(output, Op::requantize, *requantize, inputs);
}

// Integers for `input` quantized, in a new tensor: the quantizer is the same for all elements.
std::optional<TensorId> quantized_before(Rewriter& graph, TensorId input, const Node& node, int moves);

// The quantizer before the move that makes `input`, instead of behind it; `moves` of them lie behind this one.
bool end_before_move(Rewriter& graph, TensorId output, TensorId input, const Node& node, int moves = 0) {
    const auto* producer = graph.producer(input);
    if (producer == nullptr || !only_moves(*producer) || graph.readers(input) > 1 || moves == most_moves)
        return false;
    const bool picks = producer->op == Op::max_pool || producer->op == Op::reduce;
    if (picks && !Quantizer(graph, node).rises()) return false;
    const Node move = *producer;
    std::vector<TensorId> parts;
    for (const auto operand : move.inputs) {
        const auto part = quantized_before(graph, operand, node, moves + 1);
        if (!part) return false;
        parts.push_back(*part);
    }
    return graph.emit_as(output, move.op, move.attributes, parts);
}

std::optional<TensorId> quantized_before(Rewriter& graph, TensorId input, const Node& node, int moves) {
    const auto shape = graph[input].shape;
    const auto layout = graph[input].layout;
    const auto made = graph.tensor(graph[input].name + "_quantized", {shape, layout});
    if (!end_chain(graph, made, input, Quantizer(graph, node)) &&
        !end_before_move(graph, made, input, node, moves))
        return std::nullopt;
    return graph.current(made);
}

}  // namespace

bool end_in_integers(Rewriter& graph, const Node& node) {
    const bool counts = node.op == Op::multi_threshold && graph[node.outputs[0]].type.is_integer() &&
                        !graph[node.inputs[0]].type.is_integer();
    if (node.op != Op::quantize && !counts) return false;
    const auto input = node.inputs[0], output = node.outputs[0];
    const Quantizer quantizer(graph, node);
    if (end_chain(graph, output, input, quantizer)) return true;
    return quantizer.axis < 0 && end_before_move(graph, output, input, node);
}

}  // namespace fard::model
