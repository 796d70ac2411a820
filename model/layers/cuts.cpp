#include "model/layers/cuts.hpp"

#include <set>

namespace fard::model {
namespace {

// What is there and still to be read, while the nodes are gone through layer by layer.
class Frontier {
  public:
    Frontier(const Graph& graph, std::size_t most_tensors)
        : graph_(graph), most_(most_tensors), open_(graph.tensors.size()) {
        for (const auto& node : graph.nodes)
            for (const auto id : node.inputs)
                ++open_[id];
        for (const auto id : graph.outputs)
            ++open_[id];
        for (const auto id : graph.inputs)
            appear(id);
    }

    void compute(const Node& node) {
        for (const auto id : node.inputs)
            if (--open_[id] == 0 && !graph_[id].is_constant()) vanish(id);
        for (const auto id : node.outputs)
            appear(id);
    }

    bool is_legal() const { return inner_ == 0 && !alive_.empty() && alive_.size() <= most_; }

    LegalCut here(std::size_t after, bool before_activation) const {
        LegalCut cut{after, before_activation, {alive_.begin(), alive_.end()}, 0};
        for (const auto id : cut.tensors)
            cut.bytes += wire_desc(graph_[id]).wire_bytes();
        return cut;
    }

  private:
    void appear(TensorId id) {
        if (open_[id] == 0) return;
        alive_.insert(id);
        inner_ += graph_[id].inner;
    }
    void vanish(TensorId id) {
        if (alive_.erase(id) > 0) inner_ -= graph_[id].inner;
    }

    const Graph& graph_;
    std::size_t most_;
    std::vector<std::size_t> open_;  // by TensorId: reads that are still to come
    std::set<TensorId> alive_;
    std::size_t inner_ = 0;  // of these
};

}  // namespace

std::vector<LegalCut> legal_cuts(const LayerView& view, CutInside inside, std::size_t most_tensors) {
    const auto& graph = *view.graph;
    Frontier frontier(graph, most_tensors);
    std::vector<LegalCut> cuts;
    for (std::size_t i = 0; i < view.layers.size(); ++i) {
        const auto& layer = view.layers[i];
        for (const auto node : layer.nodes) {
            const bool activates =
                layer.activation && node == layer.activation->nodes[0] && node != layer.nodes[0];
            if (activates && inside == CutInside::before_activations && frontier.is_legal())
                cuts.push_back(frontier.here(i, true));
            frontier.compute(graph.nodes[node]);
        }
        if (i + 1 < view.layers.size() && frontier.is_legal()) cuts.push_back(frontier.here(i, false));
    }
    return cuts;
}

}  // namespace fard::model
