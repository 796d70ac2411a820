#include "tests/planner/every_schedule.hpp"

#include <algorithm>
#include <functional>
#include <set>

#include "planner/simulate.hpp"

namespace fard {
namespace {

using namespace planner;
using splitter::Cluster;
using splitter::Network;
using splitter::StageCost;

class Everything {
  public:
    Everything(const Network& network, const Cluster& cluster, std::size_t chunks, std::size_t batch, bool orders)
        : network_(network), cluster_(cluster), batch_(std::min(batch, chunks)), orders_(orders) {
        run_.chunks = chunks;
    }

    EverySchedule run() {
        from(0);
        return result_;
    }

  private:
    // Cycles and latency of all that fits a board, each once.
    std::set<std::pair<std::int64_t, double>> built(std::size_t begin, std::size_t end, std::size_t board) const {
        std::set<std::pair<std::int64_t, double>> all;
        const std::function<void(std::size_t, splitter::Resources, std::int64_t, double, double)> choose =
            [&](std::size_t layer, const splitter::Resources& need, std::int64_t cycles, double images, double fill) {
                if (!need.fits(cluster_.boards[board].usable)) return;
                if (layer == network_.cuts[end].layers) {
                    all.emplace(cycles, images * static_cast<double>(cycles) + fill);
                    return;
                }
                const auto& one = network_.layers[layer];
                for (const auto& folding : one.foldings)
                    choose(layer + 1, need + folding.need, std::max(cycles, folding.cycles), images + one.lead,
                           fill + static_cast<double>(folding.fill));
            };
        choose(network_.cuts[begin].layers, network_.stage, 0, 1, 0);
        return all;
    }

    void from(std::size_t cut) {
        if (cut + 1 == network_.cuts.size()) return all_orders();
        for (auto end = cut + 1; end < network_.cuts.size(); ++end)
            for (const auto& boards : places())
                for (const auto& [cycles, latency] : built(cut, end, boards.front())) {
                    const auto clock = cluster_.boards[boards.front()].clock_hz;
                    plan_.stages.push_back({cut, end, false, {}, boards});
                    costs_.push_back({.cycles = cycles, .compute_s = static_cast<double>(cycles) / clock, .latency_s = latency / clock});
                    from(end);
                    costs_.pop_back();
                    plan_.stages.pop_back();
                }
    }

    // Each board alone, and where there are batches to share all those of a kind.
    std::vector<std::vector<std::size_t>> places() const {
        std::vector<std::vector<std::size_t>> places;
        for (std::size_t board = 0; board < cluster_.boards.size(); ++board) {
            places.push_back({board});
            std::vector<std::size_t> kind;
            for (std::size_t other = board; other < cluster_.boards.size(); ++other)
                if (splitter::same_fabric(cluster_.boards[board], cluster_.boards[other])) kind.push_back(other);
            if (kind.size() > 1 && batch_ < run_.chunks) places.push_back(kind);
        }
        return places;
    }

    void all_orders() {
        const auto batches = (run_.chunks + batch_ - 1) / batch_;
        const bool replicas = std::ranges::any_of(plan_.stages, [](const auto& stage) { return stage.boards.size() > 1; });
        rounds_of(1);
        if (replicas) rounds_of(batches);
    }

    // A round has so many turns of each position, one after the other.
    void rounds_of(std::size_t batches) {
        Schedule schedule;
        schedule.batch = batch_;
        schedule.window = run_.chunks;
        std::vector<std::vector<std::size_t>> on(cluster_.boards.size());
        for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
            auto& seats = schedule.positions.emplace_back(Placed{{}, run_.chunks, Staging::next}).seats;
            for (const auto board : plan_.stages[i].boards) {
                seats.push_back({board, 0});
                on[board].push_back(i);
            }
        }
        for (const auto& board : cluster_.boards)
            schedule.boards.push_back(board.name);
        const auto pipeline = pipeline_of(network_, cluster_, plan_, costs_);
        const std::function<void(std::size_t)> board = [&](std::size_t number) {
            if (number == on.size()) return measure(pipeline, schedule);
            if (on[number].size() < 2) return board(number + 1);
            auto order = on[number];
            do {
                auto& turns = schedule.turns.emplace_back(Turns{{number, 0}, {}}).order;
                for (const auto position : order)
                    turns.insert(turns.end(), batches, position);
                board(number + 1);
                schedule.turns.pop_back();
            } while (orders_ && std::ranges::next_permutation(order).found);
        };
        board(0);
    }

    void measure(const Pipeline& pipeline, const Schedule& schedule) {
        ++result_.simulated;
        const auto done = simulate(pipeline, schedule, run_);
        if (!done) {
            ++result_.standing;
            return;
        }
        result_.wall_s = std::min(result_.wall_s, done->wall_s());
    }

    const Network& network_;
    const Cluster& cluster_;
    std::size_t batch_;
    bool orders_;
    Run run_;
    splitter::Plan plan_;
    std::vector<StageCost> costs_;
    EverySchedule result_;
};

}  // namespace

EverySchedule try_every_schedule(const Network& network, const Cluster& cluster, std::size_t chunks, std::size_t batch, bool orders) {
    return Everything(network, cluster, chunks, batch, orders).run();
}

}  // namespace fard
