#include "model/layers/finn_accumulator.hpp"

#include <algorithm>
#include <bit>

#include "model/bounds.hpp"

namespace fard::model {
namespace {

DataType signed_that_holds(Range range) {
    if (range.min >= 0) return narrowest(range);
    return narrowest({std::min(range.min, -1 - range.max), 0});
}

// What the weights of each output add up to.
std::vector<SignedSums> sums_of_outputs(const Graph& graph, const Layer& layer) {
    const auto& node = graph.nodes[layer.nodes[0]];
    const auto& values = graph[layer.weights->tensor].constant->integers;
    const auto outputs = static_cast<std::size_t>(layer.mh);
    const bool rows = node.op == Op::conv || (node.op == Op::gemm && node.as<GemmAttributes>().transpose_b);
    if (!rows) return column_sums(values, outputs);
    const auto depth = values.size() / outputs;
    std::vector<SignedSums> sums;
    for (std::size_t output = 0; output < outputs; ++output)
        sums.push_back(signed_sums(std::span(values).subspan(output * depth, depth)));
    return sums;
}

// BIPOLAR times BIPOLAR: equal bits are counted.
bool counts_bits(const Layer& layer, DataType inputs) {
    return layer.weights->type == DataType::bipolar() && inputs == DataType::bipolar();
}

DataType type_of_counts(const Layer& layer) {
    return DataType::sint(static_cast<int>(std::bit_width(static_cast<std::uint64_t>(layer.mw))));
}

}  // namespace

DataType finn_accumulator(const Graph& graph, const Layer& layer, DataType inputs) {
    if (counts_bits(layer, inputs)) return type_of_counts(layer);
    Range range;
    const auto input = range_of(inputs);
    for (const auto& sums : sums_of_outputs(graph, layer))
        range = join(range, weighted_sum(input, sums));
    return signed_that_holds(range);
}

DataType widest_finn_accumulator(const Layer& layer, DataType inputs) {
    if (counts_bits(layer, inputs)) return type_of_counts(layer);
    return signed_that_holds(
        repeated(product(range_of(layer.weights->narrowest), range_of(inputs)), layer.mw));
}

DataType whole_bytes(DataType integers) {
    const int bits = (integers.bits() + 7) / 8 * 8;
    return integers.kind() == DataType::Kind::uint ? DataType::uint(bits) : DataType::sint(bits);
}

bool reaches_lowest(const Graph& graph, const Layer& layer) {
    const auto& values = graph[layer.weights->tensor].constant->integers;
    return std::ranges::find(values, layer.weights->type.min()) != values.end();
}

}  // namespace fard::model
