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

    std::size_t extent() const { return extent_; }
    std::size_t inner() const { return inner_; }  // elements of one channel side by side

  private:
    std::size_t extent_ = 1, inner_ = 1;
};

double entry(const std::vector<double>& list, std::size_t channel) {
    return list[list.size() == 1 ? 0 : channel];
}

// Below that, numbers and what is added to them are whole floats, and so are their sums.
constexpr float usual = 1 << 22;

// As rounded() has it, by half_even; `x` is below `usual`: of what is beyond, a float has only the whole part.
float nearest_even(float x) {
    constexpr float beyond = 3 << 22;
    return (x + beyond) - beyond;
}

constexpr std::size_t many = 16;                        // elements, of which compilers make vector code
constexpr std::size_t long_row = std::size_t{1} << 16;  // of one channel each

// From floats to integers, each place with what its channel says: x / scale + before is rounded, and behind added.
class RowQuantizer {
  public:
    RowQuantizer(const QuantizeAttributes& attributes, std::size_t size)
        : attributes_(attributes),
          usual_(attributes.rounding == Rounding::half_even),
          scale_(size),
          before_(size),
          behind_(size) {
        const Range reached{-static_cast<std::int64_t>(2 * usual), static_cast<std::int64_t>(2 * usual)};
        least_ = static_cast<float>(std::clamp(attributes.range.min, reached.min, reached.max));
        most_ = static_cast<float>(std::clamp(attributes.range.max, reached.min, reached.max));
    }

    void set(std::size_t first, std::size_t end, std::size_t channel) {
        const auto& affine = attributes_.affine;
        const auto at = affine.scale.size() == 1 ? 0 : channel;
        const auto zero = static_cast<float>(affine.zero_point[at]);
        for (auto i = first; i < end; ++i) {
            scale_[i] = static_cast<float>(affine.scale[at]);
            before_[i] = attributes_.add_then_round ? zero : 0;
            behind_[i] = attributes_.add_then_round ? 0 : zero;
        }
        if (std::abs(zero) >= usual) usual_ = false;
    }

    // False: some of them are none of the usual numbers.
    template <std::size_t count>
    bool run(std::size_t place, const float* x, std::int32_t* out) const {
        if (!usual_) return false;
        const auto *scale = &scale_[place], *before = &before_[place], *behind = &behind_[place];
        float scaled[count];
        for (std::size_t i = 0; i < count; ++i)
            scaled[i] = x[i] / scale[i] + before[i];
        int unusual = 0;
        for (std::size_t i = 0; i < count; ++i)
            unusual |= std::abs(scaled[i]) < usual ? 0 : 1;
        if (unusual) return false;
        for (std::size_t i = 0; i < count; ++i)
            out[i] = static_cast<std::int32_t>(std::min(std::max(nearest_even(scaled[i]) + behind[i], least_), most_));
        return true;
    }

  private:
    const QuantizeAttributes& attributes_;
    bool usual_;
    std::vector<float> scale_, before_, behind_;
    float least_ = 0, most_ = 0;
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
    const auto row = channel.extent() * channel.inner();
    const bool mixed = channel.extent() > 1 && channel.inner() < many && row <= long_row;
    RowQuantizer quantizer(attributes, mixed ? row : many);
    // Elements whose places in the quantizer are one behind the other, or all the same.
    const auto run = [&](std::size_t first, std::size_t end, std::size_t step) {
        for (auto i = first; i < end;) {
            if (i + many > end && end - first >= many) i = end - many;  // some of these once more
            if (i + many <= end && quantizer.run<many>(step * (i - first), &x[i], &out[i])) {
                i += many;
                continue;
            }
            for (const auto last = std::min(end, i + many); i < last; ++i)
                if (!quantizer.run<1>(step * (i - first), &x[i], &out[i])) out[i] = quantized_fraction(attributes, channel.of(i), x[i]);
        }
    };
    if (!mixed) {
        channel.runs(x.size(), [&](std::size_t at, std::size_t first, std::size_t end) {
            quantizer.set(0, many, at);
            run(first, end, 0);
        });
        return out;
    }
    for (std::size_t at = 0; at < channel.extent(); ++at)
        quantizer.set(at * channel.inner(), (at + 1) * channel.inner(), at);
    for (std::size_t first = 0; first < x.size(); first += row)
        run(first, first + row, 1);
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
