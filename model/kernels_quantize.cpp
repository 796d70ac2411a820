// Between integers and what they stand for.
#include "model/functions.hpp"
#include "model/kernels.hpp"

namespace fard::model {
namespace {

// The index along one dimension of the element at a row-major position; 0 for axis -1.
class ChannelIndex {
  public:
    ChannelIndex(const Shape& shape, int axis) {
        if (axis < 0) return;
        const auto at = shape.begin() + axis;
        extent_ = static_cast<std::size_t>(*at);
        inner_ = elements(Shape(at + 1, shape.end()));
    }
    std::size_t of(std::size_t position) const { return position / inner_ % extent_; }

  private:
    std::size_t extent_ = 1, inner_ = 1;
};

double entry(const std::vector<double>& list, std::size_t channel) {
    return list[list.size() == 1 ? 0 : channel];
}

}  // namespace

std::vector<std::int32_t> quantize(const NodeView& view, std::span<const std::int32_t> x) {
    const auto& attributes = view.node.as<QuantizeAttributes>();
    const ChannelIndex channel(view.output.shape, attributes.affine.axis);
    std::vector<std::int32_t> out(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
        out[i] = quantized(attributes, channel.of(i), x[i]);
    return out;
}

std::vector<std::int32_t> quantize(const NodeView& view, std::span<const float> x) {
    const auto& attributes = view.node.as<QuantizeAttributes>();
    const ChannelIndex channel(view.output.shape, attributes.affine.axis);
    std::vector<std::int32_t> out(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
        out[i] = quantized_fraction(attributes, channel.of(i), x[i]);
    return out;
}

std::vector<double> dequantize(const NodeView& view, std::span<const std::int32_t> x) {
    const auto& affine = view.node.as<DequantizeAttributes>().affine;
    const ChannelIndex channel(view.output.shape, affine.axis);
    std::vector<double> out(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        const auto at = affine.scale.size() == 1 ? 0 : channel.of(i);
        out[i] = (static_cast<double>(x[i]) - affine.zero_point[at]) * affine.scale[at];
    }
    return out;
}

std::vector<std::int32_t> requantize(const NodeView& view, const Operands<std::int32_t>& operands) {
    const auto& attributes = view.node.as<RequantizeAttributes>();
    const ChannelIndex channel(view.output.shape, attributes.axis);
    std::vector<std::int32_t> out(operands[0].size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto c = channel.of(i);
        const auto term = [&](std::size_t operand) {
            const auto& each = attributes.operands[operand];
            return (static_cast<double>(operands[operand][i]) - each.zero_point) * entry(each.multiplier, c);
        };
        double sum = term(0);
        for (std::size_t operand = 1; operand < operands.size(); ++operand)
            sum = sum + term(operand);
        if (!attributes.offset.empty()) sum = sum + entry(attributes.offset, c);
        out[i] = clamped(rounded(Rounding::half_even, sum) + attributes.zero_point, attributes.range);
    }
    return out;
}

}  // namespace fard::model
