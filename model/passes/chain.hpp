// Functions of one element, one behind the other, each with its own constants for each channel.
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "model/draft.hpp"

namespace fard::model {

// One node of a chain: Add, Sub, Mul and Div with a constant, BatchNormalization, Relu, Clip, ...
struct Link {
    Node node;
    bool swapped = false;  // the constant is the first operand
    std::vector<std::vector<double>>
        constants;  // in the order of the operands; one entry, or one per channel
};

// value = clamp(slope * x + offset, low, high)
struct Line {
    double slope = 1, offset = 0;
    double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};

class Chain {
  public:
    // Follows `id` backwards as long as there are such nodes, and stops at what `stop` says or where none is.
    // Empty where constants vary along more than one dimension.
    static std::optional<Chain> behind(Rewriter& graph, TensorId id);

    TensorId source() const { return source_; }
    int axis() const { return axis_; }  // that the constants vary along; -1: they do not
    // Takes part in the channels of another thing along `axis` (-1: no channels). False where it is another
    // dimension.
    bool join_axis(int axis);

    double apply(std::size_t channel, double x) const;
    // +1: does not decrease, -1: does not increase; none where it may do both.
    std::optional<int> direction(std::size_t channel) const;
    // The chain as one line, where it is one.
    std::optional<Line> line(std::size_t channel) const;

  private:
    TensorId source_ = 0;
    int axis_ = -1;
    std::vector<Link> links_;  // in the order of computation
};

}  // namespace fard::model
