#include "model/passes/ending.hpp"

#include <cmath>

namespace fard::model {
namespace {

constexpr std::size_t most_terms = 4;  // sums of sums: each term is read and multiplied once more
constexpr std::size_t most_ways = 2 * most_terms - 2;

}  // namespace

std::optional<Ending> Ending::before(Rewriter& graph, TensorId id) {
    auto chain = Chain::behind(graph, id);
    if (!chain || graph[chain->source()].is_constant()) return std::nullopt;
    Ending ending(*std::move(chain));
    const auto source = ending.chain_.source();
    if (auto real = real_of(graph, source))
        ending.terms_ = {*std::move(real)};
    else if (!ending.add_operands(graph, source, std::nullopt))
        return std::nullopt;
    for (const auto& way : ending.ways_)
        if (!ending.join_axis(way.chain.axis())) return std::nullopt;
    for (const auto& term : ending.terms_)
        if (!ending.join_axis(term.affine.axis)) return std::nullopt;
    return ending;
}

bool Ending::add_operands(Rewriter& graph, TensorId sum, std::optional<std::size_t> outer) {
    const auto* producer = graph.producer(sum);
    if (producer == nullptr || (producer->op != Op::add && producer->op != Op::sub)) return false;
    const Node node = *producer;
    for (std::size_t i = 0; i < 2; ++i) {
        const auto operand = node.inputs[i];
        if (graph[operand].is_constant() || graph[operand].shape != graph[sum].shape) return false;
        if (!add_way(graph, operand, i == 1 && node.op == Op::sub ? -1 : 1, outer)) return false;
    }
    return true;
}

bool Ending::add_way(Rewriter& graph, TensorId operand, double sign, std::optional<std::size_t> outer) {
    auto chain = Chain::behind(graph, operand);
    if (!chain || ways_.size() == most_ways || graph[chain->source()].is_constant()) return false;
    const auto source = chain->source();
    const auto own = ways_.size();
    ways_.push_back({outer, sign, *std::move(chain), std::nullopt});
    auto real = real_of(graph, source);
    if (!real) return add_operands(graph, source, own);
    ways_[own].term = terms_.size();
    terms_.push_back(*std::move(real));
    return true;
}

std::optional<Ending::Weighted> Ending::weighted(std::size_t channel) const {
    Weighted weighted{std::vector<double>(terms_.size(), 1), 0};
    std::vector<double> factors;  // from each way's operand to the last sum
    for (const auto& way : ways_) {
        const auto line = way.chain.line(channel);
        if (!line || std::isfinite(line->low) || std::isfinite(line->high)) return std::nullopt;
        const double behind = (way.outer ? factors[*way.outer] : 1) * way.sign;
        weighted.offset += behind * line->offset;
        factors.push_back(behind * line->slope);
        if (way.term) weighted.factors[*way.term] = factors.back();
    }
    return weighted;
}

}  // namespace fard::model
