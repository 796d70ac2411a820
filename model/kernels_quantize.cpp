// Between integers and what they stand for.
#include <algorithm>
#include <cmath>

#include "model/bounds.hpp"
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
    // Calls `each(channel, first, end)` for runs of elements of one channel.
    template <typename Each>
    void runs(std::size_t size, Each each) const {
        for (std::size_t first = 0, channel = 0; first < size; channel = (channel + 1) % extent_) {
            const auto end = extent_ == 1 ? size : std::min(size, first + inner_);
            each(channel, first, end);
            first = end;
        }
    }

  private:
    std::size_t extent_ = 1, inner_ = 1;
};

double entry(const std::vector<double>& list, std::size_t channel) {
    return list[list.size() == 1 ? 0 : channel];
}

constexpr float usual = 1 << 30;  // rounded below that, numbers are 32-bit integers, and so are their sums

// As rounded() has it, by half_even; `x` is below `usual`. Without branches: weights are as good as drawn.
std::int32_t nearest_even(float x) {
    const auto whole = static_cast<std::int32_t>(x);
    const auto beyond = std::abs(x - static_cast<float>(whole));
    const std::int32_t away = ((beyond > 0.5F ? 1 : 0) | ((beyond == 0.5F ? 1 : 0) & whole)) & 1;
    const std::int32_t sign = x < 0 ? -1 : 0;
    return whole + ((away ^ sign) - sign);
}

// Elements of one channel, from floats to integers between two.
struct ChannelQuantizer {
    float scale, before;         // x / scale + before is rounded
    std::int32_t behind;         // and this added
    std::int32_t least, most;

    // False: some of them are none of the usual numbers. Compilers make vector code of sixteen.
    template <std::size_t count>
    bool run(const float* x, std::int32_t* out) const {
        float scaled[count];
        for (std::size_t i = 0; i < count; ++i)
            scaled[i] = x[i] / scale + before;
        int unusual = 0;
        for (std::size_t i = 0; i < count; ++i)
            unusual |= std::abs(scaled[i]) < usual ? 0 : 1;
        if (unusual) return false;
        for (std::size_t i = 0; i < count; ++i)
            out[i] = std::min(std::max(nearest_even(scaled[i]) + behind, least), most);
        return true;
    }
};

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
    constexpr std::int64_t narrow = 1 << 30;
    const auto& range = attributes.range;
    channel.runs(x.size(), [&](std::size_t at, std::size_t first, std::size_t end) {
        const auto place = attributes.affine.scale.size() == 1 ? 0 : at;
        const auto zero = attributes.affine.zero_point[place];
        const ChannelQuantizer quantizer{static_cast<float>(attributes.affine.scale[place]),
                                         attributes.add_then_round ? static_cast<float>(zero) : 0.0F,
                                         attributes.add_then_round ? 0 : zero, static_cast<std::int32_t>(range.min),
                                         static_cast<std::int32_t>(range.max)};
        const bool as_usual = attributes.rounding == Rounding::half_even && fits_32_bits(range) && std::abs(std::int64_t{quantizer.behind}) < narrow;
        constexpr std::size_t many = 16;
        for (auto i = first; i < end; ++i) {
            while (as_usual && i + many <= end && quantizer.run<many>(&x[i], &out[i]))
                i += many;
            if (i < end && !(as_usual && quantizer.run<1>(&x[i], &out[i]))) out[i] = quantized_fraction(attributes, at, x[i]);
        }
    });
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
