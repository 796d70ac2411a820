// A product with what belongs to it, as FINN has it: a matrix of integers, and one row of rising thresholds for each output
// or a bias.
#pragma once

#include "model/layers/streamline.hpp"
#include "model/layers/thresholds.hpp"

namespace fard::model {

struct FinnProduct {
    std::int64_t depth = 0, outputs = 0;
    std::vector<std::int64_t> weights;  // [outputs][depth], depth as the graph has it
    DataType type;
    std::optional<Thresholds> thresholds;  // of the products' sums, before any bias
    std::vector<std::int64_t> bias;        // one for each output; empty: none

    std::int64_t weight(std::int64_t output, std::int64_t k) const {
        return weights[static_cast<std::size_t>(output * depth + k)];
    }
};

// `shift`: what is added to every element before the product and has been moved behind it. Where thresholds fall, the
// weights of that output turn their sign. Errors: unsupported (biases of fractions, no thresholds, see thresholds_of).
Result<FinnProduct> finn_product(const Graph& graph, const Layer& layer, std::int64_t shift);

}  // namespace fard::model
