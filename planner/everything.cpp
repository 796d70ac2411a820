#include "planner/everything.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include "splitter/search/space.hpp"

namespace fard::planner {
namespace {

using namespace splitter;

constexpr std::size_t most_foldings = 5'000;  // of one stage
constexpr double never = std::numeric_limits<double>::infinity();

struct Way {
    bool on_processor = false;
    std::vector<std::size_t> foldings;
    std::int64_t cycles = 0;
    double latency = 0;  // cycles
};

class Everything {
  public:
    Everything(const Network& network, const Cluster& cluster, std::optional<std::size_t> stages, std::size_t most, Beaten beaten)
        : network_(network), cluster_(cluster), space_(cluster), stages_(stages), most_(most), beaten_(beaten) {}

    std::optional<std::vector<Plan>> run() {
        from(0);
        if (too_many_) return std::nullopt;
        return std::move(plans_);
    }

  private:
    void from(std::size_t cut) {
        if (cut + 1 == network_.cuts.size()) {
            if (stages_ && now_.stages.size() != *stages_) return;
            plans_.push_back(now_);
            too_many_ |= plans_.size() > most_;
            return;
        }
        if (stages_ && now_.stages.size() == *stages_) return;
        for (auto end = cut + 1; end < network_.cuts.size(); ++end)
            for (std::size_t fabric = 0; fabric < space_.fabrics.size() && !too_many_; ++fabric)
                for (const auto& way : ways(cut, end, fabric)) {
                    const auto board = now_.stages.size() * cluster_.boards.size() + space_.fabrics[fabric];
                    now_.stages.push_back({cut, end, way.on_processor, way.foldings, {board}});
                    from(end);
                    now_.stages.pop_back();
                    if (too_many_) return;
                }
    }

    const std::vector<Way>& ways(std::size_t begin, std::size_t end, std::size_t fabric) {
        auto [place, added] = known_.try_emplace({begin, end, fabric});
        if (added) place->second = find_ways(begin, end, cluster_.boards[space_.fabrics[fabric]]);
        return place->second;
    }

    std::vector<Way> find_ways(std::size_t begin, std::size_t end, const Board& board) {
        const auto first = network_.cuts[begin].layers, last = network_.cuts[end].layers;
        std::vector<Way> found;
        std::size_t count = 1;
        bool processor = false;
        for (auto layer = first; layer < last && count <= most_foldings; ++layer) {
            processor |= network_.layers[layer].foldings.empty();
            count *= std::max<std::size_t>(1, network_.layers[layer].foldings.size());
        }
        if (count > most_foldings) {
            too_many_ = true;
            return {};
        }
        if (std::ranges::any_of(network_.layers, [](const Layer& layer) { return layer.foldings.empty(); }) && board.macs_per_s > 0)
            found.push_back({true, {}, 0, 0});
        if (processor) return found;
        Way way;
        way.foldings.assign(last - first, 0);
        do
            if (fill(way, first, last).fits(board.usable)) found.push_back(way);
        while (next(way, first));
        return different(std::move(found));
    }

    // What the way takes; its cycles and latency are set.
    Resources fill(Way& way, std::size_t first, std::size_t last) const {
        auto need = network_.stage;
        double images = 1, fill = 0;
        way.cycles = 0;
        for (auto layer = first; layer < last; ++layer) {
            const auto& folding = network_.layers[layer].foldings[way.foldings[layer - first]];
            need += folding.need;
            way.cycles = std::max(way.cycles, folding.cycles);
            fill += static_cast<double>(folding.fill);
            images += network_.layers[layer].lead;
        }
        way.latency = images * static_cast<double>(way.cycles) + fill;
        return need;
    }

    bool next(Way& way, std::size_t first) const {
        for (std::size_t i = 0; i < way.foldings.size(); ++i) {
            if (++way.foldings[i] < network_.layers[first + i].foldings.size()) return true;
            way.foldings[i] = 0;
        }
        return false;
    }

    // Of the ways with the same cycles and latency one; and, where that is enough, only those that no other beats in both.
    std::vector<Way> different(std::vector<Way> ways) const {
        std::ranges::stable_sort(ways, {}, [](const Way& way) { return std::tuple{!way.on_processor, way.cycles, way.latency}; });
        std::vector<Way> kept;
        double least = never;
        for (auto& way : ways) {
            const bool known = !kept.empty() && kept.back().on_processor == way.on_processor && kept.back().cycles == way.cycles &&
                               kept.back().latency == way.latency;
            if (known || (beaten_ == Beaten::left_out && !way.on_processor && way.latency >= least)) continue;
            if (!way.on_processor) least = std::min(least, way.latency);
            kept.push_back(std::move(way));
        }
        return kept;
    }

    const Network& network_;
    const Cluster& cluster_;
    Space space_;
    std::optional<std::size_t> stages_;
    std::size_t most_;
    Beaten beaten_;
    bool too_many_ = false;
    Plan now_;
    std::vector<Plan> plans_;
    std::map<std::tuple<std::size_t, std::size_t, std::size_t>, std::vector<Way>> known_;  // by begin, end and fabric
};

}  // namespace

std::optional<std::vector<Plan>> every_plan(const Network& network, const Cluster& cluster, std::optional<std::size_t> stages,
                                            std::size_t most, Beaten beaten) {
    return Everything(network, cluster, stages, most, beaten).run();
}

}  // namespace fard::planner
