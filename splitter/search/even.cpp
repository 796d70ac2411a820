#include "splitter/search/even.hpp"

#include <algorithm>
#include <limits>

#include "splitter/search/space.hpp"

namespace fard::splitter {
namespace {

constexpr double most_steps = 1e9;
constexpr double rounding = 1 + 1e-9;

// One stage on each board, with no fabric to fill.
bool applies(const Cluster& cluster, const Plan& plan) {
    const Space space(cluster);
    if (plan.stages.size() != cluster.boards.size() || space.kinds.size() != 1 || space.any_tracked) return false;
    return std::ranges::all_of(plan.stages, [](const PlannedStage& stage) { return stage.on_processor && stage.boards.size() == 1; });
}

// By stages and by the cut behind them: the least sum of squares, and the cut before the last of these stages.
class Table {
  public:
    Table(const Network& network, const Board& board, double period_s) : network_(network), board_(board), period_s_(period_s) {
        macs_.push_back(0);
        for (const auto& layer : network.layers)
            macs_.push_back(macs_.back() + layer.macs);
    }

    // The cuts behind the stages; none where that many do not keep the period.
    std::vector<std::size_t> cuts(std::size_t stages) {
        const auto count = network_.cuts.size();
        const double never = std::numeric_limits<double>::infinity();
        std::vector<double> least(count, never), next(count);
        std::vector<std::vector<std::size_t>> from(stages, std::vector<std::size_t>(count, 0));
        least[0] = 0;
        for (std::size_t stage = 0; stage < stages; ++stage) {
            std::ranges::fill(next, never);
            for (std::size_t end = stage + 1; end < count; ++end)
                for (std::size_t begin = end; begin-- > stage;) {
                    const auto load = busy(begin, end);
                    if (load > period_s_) continue;
                    const auto sum = least[begin] + load * load;
                    if (sum >= next[end]) continue;
                    next[end] = sum;
                    from[stage][end] = begin;
                }
            std::swap(least, next);
        }
        if (least.back() == never) return {};
        std::vector<std::size_t> result(stages);
        for (auto end = count - 1; stages-- > 0; end = from[stages][end])
            result[stages] = end;
        return result;
    }

  private:
    double busy(std::size_t begin, std::size_t end) const {
        const auto& first = network_.cuts[begin];
        const auto& last = network_.cuts[end];
        return static_cast<double>(macs_[last.layers] - macs_[first.layers]) / board_.macs_per_s + host_s(board_, first.bytes) +
               host_s(board_, last.bytes);
    }

    const Network& network_;
    const Board& board_;
    double period_s_;
    std::vector<std::int64_t> macs_;  // before each layer
};

}  // namespace

Found evenly(const Network& network, const Cluster& cluster, Found found) {
    const auto cuts = static_cast<double>(network.cuts.size());
    if (!applies(cluster, found.plan) || cuts * cuts * static_cast<double>(found.plan.stages.size()) > most_steps) return found;
    auto plan = found.plan;
    const auto period_s = found.cost.period_s * rounding;
    const auto ends = Table(network, cluster.boards.front(), period_s).cuts(plan.stages.size());
    if (ends.empty()) return found;
    for (std::size_t i = 0; i < ends.size(); ++i) {
        plan.stages[i].begin = i ? ends[i - 1] : 0;
        plan.stages[i].end = ends[i];
    }
    auto cost = evaluate(network, cluster, plan);
    if (!cost || cost->period_s > period_s) return found;  // a way between two of them is too narrow
    found.plan = std::move(plan);
    found.cost = std::move(*cost);
    return found;
}

}  // namespace fard::splitter
