#include "model/exactness.hpp"

#include <algorithm>
#include <iterator>

namespace fard::model {
namespace {

// Of those whose results are fractions; integers and truths of fractions are jumps anyway.
bool jumps(const Node& node) {
    constexpr std::string_view names[] = {"Ceil", "Floor", "Fmod", "FmodWhole", "Mod", "MultiThreshold",
                                          "Round", "Shrink", "Sign", "ThresholdedRelu", "ToBfloat16", "ToFloat16"};
    return std::ranges::find(names, name_of(node)) != std::end(names);
}

}  // namespace

bool needs_exact_fractions(const Graph& graph) {
    std::vector<bool> follows(graph.tensors.size());  // from a product of fractions
    for (const auto& node : graph.nodes) {
        const auto out = node.outputs[0];
        const bool fractions = !graph[out].type.is_integer();
        const bool from_product = std::ranges::any_of(node.inputs, [&](TensorId id) { return follows[id]; });
        if (from_product && (!fractions || jumps(node))) return true;
        const bool product = node.op == Op::conv || node.op == Op::matmul || node.op == Op::gemm;
        follows[out] = from_product || (fractions && product);
    }
    return false;
}

}  // namespace fard::model
