#include "model/layers/finn_product.hpp"

#include <algorithm>

#include "model/bounds.hpp"

namespace fard::model {
namespace {

void read_weights(const Graph& graph, const Layer& layer, FinnProduct& product) {
    const auto& node = graph.nodes[layer.nodes[0]];
    const auto& values = graph[layer.weights->tensor].constant->integers;
    product.outputs = layer.mh, product.depth = layer.mw;
    const bool rows = node.op == Op::conv || (node.op == Op::gemm && node.as<GemmAttributes>().transpose_b);
    if (rows) {
        product.weights.assign(values.begin(), values.end());
        return;
    }
    for (std::int64_t m = 0; m < product.outputs; ++m)
        for (std::int64_t k = 0; k < product.depth; ++k)
            product.weights.push_back(values[static_cast<std::size_t>(k * product.outputs + m)]);
}

Result<> add_biases(const Graph& graph, const Layer& layer, FinnProduct& product) {
    for (const auto& bias : layer.biases) {
        const auto& values = graph[bias.tensor].constant->integers;
        if (values.empty())
            return fail(Fault::unsupported, "layer '{}' ({}): adds fractions, '{}'", layer.name,
                        name_of(layer.kind), graph[bias.tensor].name);
        product.bias.resize(static_cast<std::size_t>(product.outputs));
        for (std::size_t m = 0; m < product.bias.size(); ++m)
            product.bias[m] += bias.sign * static_cast<std::int64_t>(values[values.size() == 1 ? 0 : m]);
    }
    return {};
}

void add_shift(FinnProduct& product, std::int64_t shift) {
    if (shift == 0) return;
    product.bias.resize(static_cast<std::size_t>(product.outputs));
    for (std::int64_t m = 0; m < product.outputs; ++m)
        for (std::int64_t k = 0; k < product.depth; ++k)
            product.bias[static_cast<std::size_t>(m)] += shift * product.weight(m, k);
}

// Falling thresholds of x are rising ones of -x.
void turn_rising(FinnProduct& product) {
    auto& thresholds = *product.thresholds;
    if (std::ranges::find(thresholds.signs, -1) == thresholds.signs.end()) return;
    for (std::int64_t m = 0; m < product.outputs; ++m) {
        if (thresholds.signs[thresholds.rows() == 1 ? 0 : static_cast<std::size_t>(m)] > 0) continue;
        for (std::int64_t k = 0; k < product.depth; ++k)
            product.weights[static_cast<std::size_t>(m * product.depth + k)] *= -1;
    }
    std::ranges::fill(thresholds.signs, 1);
    const auto far = std::max(-thresholds.range.min, thresholds.range.max);
    thresholds.range = {-far, far};
}

DataType type_of_weights(const FinnProduct& product, DataType wanted) {
    const auto [min, max] = std::ranges::minmax(product.weights);
    if (wanted == DataType::bipolar() || holds(range_of(wanted), {min, max})) return wanted;
    return narrowest({min, max});
}

}  // namespace

Result<FinnProduct> finn_product(const Graph& graph, const Layer& layer, std::int64_t shift) {
    FinnProduct product;
    read_weights(graph, layer, product);
    if (auto done = add_biases(graph, layer, product); !done) return fail(done.error());
    add_shift(product, shift);
    if (layer.activation) {
        auto thresholds = thresholds_of(graph, layer);
        if (!thresholds) return fail(thresholds.error());
        if (!product.bias.empty()) {
            const auto [least, most] = std::ranges::minmax(product.bias);
            const Range range{thresholds->range.min - most, thresholds->range.max - least};
            thresholds = behind_bias(*thresholds, product.bias, range);
            product.bias.clear();
        }
        product.thresholds = *std::move(thresholds);
        turn_rising(product);
    }
    product.type = type_of_weights(product, layer.weights->type);
    return product;
}

}  // namespace fard::model
