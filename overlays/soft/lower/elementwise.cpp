#include "overlays/soft/lower/elementwise.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "model/functions.hpp"

namespace fard::soft {
namespace {

using model::Node;
using model::Op;
using model::TensorId;

constexpr std::int64_t largest_table = 1 << 16;

double entry(const std::vector<double>& list) {
    return list.empty() ? 0 : list[0];
}

// From a whole number to a number, and the line on which the results lie nearly, if there is one.
struct Function {
    std::function<double(std::int64_t)> of;
    double factor = 0, offset = 0;
};

Function requantized(const model::RequantizeAttributes& attributes) {
    const auto& operand = attributes.operands[0];
    const auto of = [&attributes, &operand](std::int64_t x) {
        double t = static_cast<double>(x - operand.zero_point) * operand.multiplier[0];
        if (!attributes.offset.empty()) t = t + attributes.offset[0];
        return std::clamp(std::nearbyint(t) + attributes.zero_point,
                          static_cast<double>(attributes.range.min),
                          static_cast<double>(attributes.range.max));
    };
    return {of, operand.multiplier[0],
            entry(attributes.offset) - operand.zero_point * operand.multiplier[0] + attributes.zero_point};
}

Function counted(const model::Tensor& thresholds, const model::MultiThresholdAttributes& attributes) {
    const auto& values = *thresholds.constant;
    std::vector<double> sorted(values.floats.begin(), values.floats.end());
    if (!values.integers.empty()) sorted.assign(values.integers.begin(), values.integers.end());
    std::erase_if(sorted, [](double t) { return std::isnan(t); });
    std::ranges::sort(sorted);
    return {[sorted, attributes](std::int64_t x) {
        const auto passed = std::ranges::upper_bound(sorted, static_cast<double>(x)) - sorted.begin();
        return attributes.bias + attributes.scale * static_cast<double>(passed);
    }};
}

class Finder {
  public:
    Finder(const Surroundings& around, const Node& node, BufferId out_buffer)
        : around_(around), node_(node), graph_(around.graph), out_buffer_(out_buffer) {}

    std::optional<FoundElementwise> find() const {
        if (graph_[node_.inputs[0]].is_constant()) return std::nullopt;
        switch (node_.op) {
            case Op::add:
            case Op::sub:
                return sum();
            case Op::requantize:
                return requantize();
            case Op::multi_threshold:
                return mapped(node_.inputs[0], node_, node_.outputs[0]);
            case Op::quantize:
                return quantize();
            case Op::dequantize:
                return dequantize();
            default:
                return model::is_function(node_.op) ? mapped(node_.inputs[0], node_, node_.outputs[0])
                                                    : std::nullopt;
        }
    }

  private:
    const Storage& storage(TensorId id) const { return around_.storages[id]; }
    Source source(TensorId id) const { return {around_.buffers[id], storage(id)}; }

    std::optional<FoundElementwise> found(StepPtr step, TensorId output, const Node* joined = nullptr) const {
        if (!step) return std::nullopt;
        return FoundElementwise{std::move(step), output, joined};
    }

    // Of a tensor's values as they are stored.
    model::Range stored_bounds(TensorId id) const {
        if (storage(id).kind == Storage::Kind::u8) return {0, storage(id).width};
        return bounds_of(graph_[id]);
    }
    std::int64_t base(TensorId id) const {
        return storage(id).kind == Storage::Kind::u8 ? storage(id).base : 0;
    }

    // What `node` makes of whole numbers, all alike; nothing if it is no such operator.
    std::optional<Function> function_of(const Node& node) const {
        if (node.op == Op::requantize && node.inputs.size() == 1) {
            const auto& attributes = node.as<model::RequantizeAttributes>();
            if (attributes.operands[0].multiplier.size() != 1 || attributes.offset.size() > 1)
                return std::nullopt;
            return requantized(attributes);
        }
        if (node.op == Op::multi_threshold && graph_[node.inputs[1]].shape[0] == 1)
            return counted(graph_[node.inputs[1]], node.as<model::MultiThresholdAttributes>());
        if (model::is_function(node.op))
            return Function{
                [&node](std::int64_t x) { return model::apply_function(node, static_cast<double>(x)); }, 1,
                0};
        return std::nullopt;
    }

    // The table of function(s + shift) for all stored sums s within `sums`, as codes of `out`; nothing if one is none.
    static std::optional<SumMap> fill(const Function& function, model::Range sums, std::int64_t shift,
                                      const Storage& out) {
        if (out.kind != Storage::Kind::u8 || sums.max - sums.min >= largest_table) return std::nullopt;
        SumMap map;
        map.least = static_cast<std::int32_t>(sums.min);
        for (auto s = sums.min; s <= sums.max; ++s) {
            const double code = function.of(s + shift) - out.base;
            if (!(code >= 0 && code <= out.width) || code != std::floor(code)) return std::nullopt;
            map.table.push_back(static_cast<std::uint8_t>(code));
        }
        map.factor = static_cast<float>(function.factor);
        map.offset =
            static_cast<float>(function.offset + function.factor * static_cast<double>(shift) - out.base);
        return map;
    }

    // One operand and a function of it.
    std::optional<FoundElementwise> mapped(TensorId in, const Node& node, TensorId out) const {
        if (!graph_[in].type.is_integer() || !storage(in).same_places(storage(out))) return std::nullopt;
        const auto function = function_of(node);
        if (!function) return std::nullopt;
        auto map = fill(*function, stored_bounds(in), base(in), storage(out));
        if (!map) return std::nullopt;
        return found(make_map_step(around_.kernels, {source(in)}, *std::move(map), out_buffer_, storage(out)),
                     out);
    }

    // With the node behind it, where that makes codes of the sums; else codes, or the sums.
    std::optional<FoundElementwise> sum() const {
        const auto a = node_.inputs[0], b = node_.inputs[1], out = node_.outputs[0];
        if (graph_[b].is_constant()) return std::nullopt;
        for (const auto id : {a, b, out})
            if (!graph_[id].type.is_integer() || storage(id).kind == Storage::Kind::f32 ||
                !storage(id).same_places(storage(out)))
                return std::nullopt;
        if (const Node* next = around_.sole_reader[out]; next && next->inputs[0] == out)
            if (const auto function = function_of(*next))
                if (auto joined = sum_by(*function, next->outputs[0], next)) return joined;
        const Function itself{[](std::int64_t x) { return static_cast<double>(x); }, 1, 0};
        if (auto codes = sum_by(itself, out, nullptr)) return codes;
        return found(make_sum_step(source(a), source(b), node_.op == Op::sub, out_buffer_, storage(out)),
                     out);
    }

    std::optional<FoundElementwise> sum_by(const Function& function, TensorId out, const Node* joined) const {
        const auto a = node_.inputs[0], b = node_.inputs[1];
        if (!storage(out).same_places(storage(a))) return std::nullopt;
        const bool minus = node_.op == Op::sub;
        const auto left = stored_bounds(a), right = stored_bounds(b);
        const model::Range sums = minus ? model::Range{left.min - right.max, left.max - right.min}
                                        : model::Range{left.min + right.min, left.max + right.max};
        auto map = fill(function, sums, base(a) + (minus ? -base(b) : base(b)), storage(out));
        if (!map) return std::nullopt;
        map->sum = minus ? MapSums::Sum::minus : MapSums::Sum::plus;
        return found(make_map_step(around_.kernels, {source(a), source(b)}, *std::move(map), out_buffer_,
                                   storage(out)),
                     out, joined);
    }

    std::optional<FoundElementwise> requantize() const {
        const auto out = node_.outputs[0];
        if (node_.inputs.size() == 1)
            if (auto codes = mapped(node_.inputs[0], node_, out)) return codes;
        const auto& attributes = node_.as<model::RequantizeAttributes>();
        if (attributes.axis >= 0 && attributes.axis != last_axis(out)) return std::nullopt;
        std::vector<Source> sources;
        std::vector<model::Range> bounds;
        for (const auto id : node_.inputs) {
            if (graph_[id].is_constant() || storage(id).kind == Storage::Kind::f32 ||
                !storage(id).same_places(storage(out)))
                return std::nullopt;
            sources.push_back(source(id));
            bounds.push_back(stored_bounds(id));
        }
        return found(make_merge_step(around_.kernels, attributes, std::move(sources), bounds, out_buffer_,
                                     storage(out)),
                     out);
    }

    std::optional<FoundElementwise> quantize() const {
        const auto in = node_.inputs[0], out = node_.outputs[0];
        if (storage(in).kind != Storage::Kind::f32 || !storage(in).same_places(storage(out)))
            return std::nullopt;
        return found(make_quantize_step(around_.kernels, node_.as<model::QuantizeAttributes>(),
                                        around_.buffers[in], out_buffer_, storage(out)),
                     out);
    }

    std::optional<FoundElementwise> dequantize() const {
        const auto in = node_.inputs[0], out = node_.outputs[0];
        const auto& attributes = node_.as<model::DequantizeAttributes>();
        const bool each = attributes.affine.scale.size() > 1;
        if (storage(in).kind == Storage::Kind::f32 || storage(out).kind != Storage::Kind::f32 ||
            !storage(in).same_places(storage(out)) || (each && attributes.affine.axis != last_axis(out)))
            return std::nullopt;
        return found(make_dequantize_step(attributes, source(in), out_buffer_), out);
    }

    // The graph axis that lies last in memory.
    int last_axis(TensorId id) const {
        return storage(id).channels_last ? 1 : static_cast<int>(graph_[id].shape.size()) - 1;
    }

    const Surroundings& around_;
    const Node& node_;
    const model::Graph& graph_;
    BufferId out_buffer_;
};

}  // namespace

std::optional<FoundElementwise> lower_elementwise(const Surroundings& around, const Node& node,
                                                  BufferId out_buffer) {
    return Finder(around, node, out_buffer).find();
}

}  // namespace fard::soft
