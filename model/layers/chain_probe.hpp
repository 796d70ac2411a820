// A chain of operators that map each element by itself, evaluated by the reference interpreter for chosen integers.
#pragma once

#include <span>

#include "base/result.hpp"
#include "model/graph.hpp"

namespace fard::model {

class ChainProbe {
  public:
    // Errors: unsupported (an operator that does more, or constants along several dimensions).
    static Result<ChainProbe> of(const Graph& graph, std::span<const NodeId> chain);

    std::size_t channels() const { return channels_; }
    Range range() const;  // of what goes in
    // Whether it is monotone in every channel, rounding included, without a look at its values.
    bool is_proven_monotone() const { return proven_; }

    // x: [channels][count], each within range(). The results in the same order.
    Result<std::vector<std::int64_t>> run(std::span<const std::int64_t> x) const;

  private:
    struct Link {
        const Node* node;
        std::size_t data;  // the operand that is not constant
    };

    explicit ChainProbe(const Graph& graph) : graph_(graph) {}
    Result<> add(NodeId id);
    Result<> join_axis(const Node& node, int axis);
    Shape shape_for(std::size_t count) const;
    Result<Values> run_shaped(std::span<const std::int64_t> x, std::size_t count) const;

    const Graph& graph_;
    std::vector<Link> links_;
    int axis_ = -1;
    std::size_t channels_ = 1;
    bool proven_ = true;
};

}  // namespace fard::model
