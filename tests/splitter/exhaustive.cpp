#include "tests/splitter/exhaustive.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

namespace fard {
namespace {

using namespace splitter;

class Everything {
  public:
    Everything(const Network& network, const Cluster& cluster) : network_(network), cluster_(cluster) {
        free_.reserve(cluster.boards.size());
        for (const auto& board : cluster.boards)
            free_.push_back(board.slots);
        processors_ = std::ranges::any_of(network.layers, [](const Layer& layer) { return layer.foldings.empty(); });
    }

    Exhaustive run() {
        from(0);
        return best_;
    }

  private:
    // The foldings of some layers in the order of an odometer; those that fit, least cycles and least latency first.
    struct Best {
        std::vector<std::size_t> cycles, latency;  // empty: nothing fits
    };
    const Best& best_of(std::size_t begin, std::size_t end, std::size_t board, std::size_t parts) {
        auto [place, added] = known_.try_emplace({begin, end, board, parts});
        if (!added) return place->second;
        const auto first = network_.cuts[begin].layers, last = network_.cuts[end].layers;
        std::vector<std::size_t> now(last - first);
        for (auto layer = first; layer < last; ++layer)
            if (network_.layers[layer].foldings_of(parts).empty()) return place->second;
        auto least_cycles = std::numeric_limits<std::int64_t>::max();
        auto least_latency = std::numeric_limits<double>::infinity();
        for (bool more = true; more;) {
            auto need = network_.stage;
            std::int64_t cycles = 0;
            double fill = 0, images = 1;
            for (auto layer = first; layer < last; ++layer) {
                const auto& folding = network_.layers[layer].foldings_of(parts)[now[layer - first]];
                need += folding.need;
                cycles = std::max(cycles, folding.cycles);
                fill += static_cast<double>(folding.fill);
                images += network_.layers[layer].lead;
            }
            if (need.fits(cluster_.boards[board].usable)) {
                if (cycles < least_cycles) least_cycles = cycles, place->second.cycles = now;
                const auto latency = fill + images * static_cast<double>(cycles);
                if (latency < least_latency) least_latency = latency, place->second.latency = now;
            }
            more = false;
            for (std::size_t i = 0; i < now.size() && !more; ++i) {
                more = ++now[i] < network_.layers[first + i].foldings_of(parts).size();
                if (!more) now[i] = 0;
            }
        }
        return place->second;
    }

    void from(std::size_t cut) {
        if (cut + 1 == network_.cuts.size()) {
            measure();
            return;
        }
        for (auto end = cut + 1; end < network_.cuts.size(); ++end) {
            plan_.stages.push_back({cut, end, false, {}, {}});
            choose_boards(0, end);
            if (processors_) {
                plan_.stages.back().on_processor = true;
                choose_boards(0, end);
            }
            plan_.stages.pop_back();
        }
    }

    bool offered(const PlannedStage& stage) const {
        for (auto layer = network_.cuts[stage.begin].layers; layer < network_.cuts[stage.end].layers; ++layer)
            if (network_.layers[layer].foldings_of(stage.boards.size()).empty()) return false;
        return true;
    }

    // Every multiset of free slots of boards of one fabric.
    void choose_boards(std::size_t board, std::size_t end) {
        if (board == cluster_.boards.size()) {
            const auto stage = plan_.stages.back();
            if (stage.boards.empty()) return;
            from(end);
            if (stage.on_processor || end != stage.begin + 1 || stage.boards.size() < 2 || !offered(stage)) return;
            plan_.stages.back().parts = stage.boards.size();
            from(end);
            plan_.stages.back().parts = 1;
            return;
        }
        choose_boards(board + 1, end);
        auto& chosen = plan_.stages.back().boards;
        if (!chosen.empty() && !same_fabric(cluster_.boards[chosen.front()], cluster_.boards[board])) return;
        std::size_t taken = 0;
        for (; free_[board] > 0; ++taken) {
            --free_[board];
            plan_.stages.back().boards.push_back(board);
            choose_boards(board + 1, end);
        }
        for (; taken > 0; --taken) {
            ++free_[board];
            plan_.stages.back().boards.pop_back();
        }
    }

    void measure() {
        for (const bool latency : {false, true}) {
            for (auto& stage : plan_.stages) {
                stage.foldings.clear();
                if (stage.on_processor) continue;
                const auto& best = best_of(stage.begin, stage.end, stage.boards.front(), stage.parts);
                stage.foldings = latency ? best.latency : best.cycles;
            }
            const auto cost = evaluate(network_, cluster_, plan_);
            ++best_.plans;
            if (!cost) continue;
            best_.period_s = std::min(best_.period_s, cost->period_s);
            best_.latency_s = std::min(best_.latency_s, cost->latency_s);
        }
    }

    const Network& network_;
    const Cluster& cluster_;
    std::vector<std::size_t> free_;
    bool processors_ = false;
    Plan plan_;
    std::map<std::array<std::size_t, 4>, Best> known_;
    Exhaustive best_;
};

}  // namespace

Exhaustive try_everything(const Network& network, const Cluster& cluster) {
    return Everything(network, cluster).run();
}

}  // namespace fard
