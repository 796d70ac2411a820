#include "planner/least.hpp"

#include <algorithm>
#include <limits>

#include "splitter/search/problem.hpp"

namespace fard::planner {
namespace {

using namespace splitter;

constexpr double never = std::numeric_limits<double>::infinity();
constexpr std::size_t most_rungs = 64;

// Stages whose slowest layer takes at least `cycles` and at most those of the next rung: how far they reach, by the cut before them.
struct Rung {
    std::int64_t cycles = 0;
    std::vector<std::size_t> reach;
};

class Least {
  public:
    Least(const Network& network, const Cluster& cluster, std::size_t chunks, std::size_t batch, Solvers* solvers)
        : network_(network), cluster_(cluster), problem_(network, cluster, solvers), chunks_(static_cast<double>(chunks)), one_batch_(batch >= chunks) {
        most_replicas_ = std::clamp<std::size_t>((chunks + batch - 1) / batch, 1, std::max<std::size_t>(1, places()));
        batch_share_ = std::min(1.0, static_cast<double>(batch) / chunks_);
        for (std::size_t fabric = 0; fabric < problem_.space.fabrics.size(); ++fabric) {
            rungs_.push_back(rungs_of(fabric));
            reload_s_.push_back(reload_of(fabric));
        }
        for (const auto& board : cluster.boards)
            processor_ = std::max(processor_, problem_.on_processors ? board.macs_per_s : 0);
        least_reload_s_ = processor_ > 0 ? 0 : *std::ranges::min_element(reload_s_);
    }

    // Each layer's stage has some number of replicas: the more there are the less one slot computes, and the more is loaded.
    double value(std::size_t stages) const {
        const auto seats = std::max<std::size_t>(stages, fewest_seats());
        const auto with_loads = of_all_slots(true), computing = of_all_slots(false);
        auto worst = of_client();
        for (std::size_t cut = 0; cut + 1 < network_.cuts.size(); ++cut) {
            const auto parts_s = of_parts(cut);
            auto least = never;
            for (std::size_t replicas = 1; replicas <= most_replicas_; ++replicas) {
                const auto more = replicas - 1;
                const auto all = std::max({with_loads + loads_s(more), computing + loads_s(seats + more), of_turns(seats + more)});
                const auto one = std::min(parts_s, of_replica(cut, replicas));
                least = std::min(least, std::max(all, one));
                if (one <= all) break;
            }
            worst = std::max(worst, least);
        }
        return worst;
    }

  private:
    // So many loads, shared by all slots.
    double loads_s(std::size_t count) const { return static_cast<double>(count) * least_reload_s_ / static_cast<double>(places()); }

    std::vector<Rung> rungs_of(std::size_t fabric) {
        std::vector<std::int64_t> cycles;
        for (const auto& layer : network_.layers)
            for (const auto& folding : layer.foldings)
                cycles.push_back(folding.cycles);
        std::ranges::sort(cycles);
        cycles.erase(std::unique(cycles.begin(), cycles.end()), cycles.end());
        std::vector<Rung> rungs;
        const auto count = std::min(cycles.size(), most_rungs);
        for (std::size_t i = 0; i < count; ++i) {
            const auto first = i * cycles.size() / count, end = (i + 1) * cycles.size() / count;
            rungs.push_back({cycles[first], problem_.solver(fabric).reach(cycles[end - 1]).possibly});
        }
        return rungs;
    }

    double reload_of(std::size_t fabric) const {
        double least = never;
        for (const auto& board : cluster_.boards)
            if (same_fabric(board, cluster_.boards[problem_.space.fabrics[fabric]])) least = std::min(least, board.reload_s.value_or(0));
        return least;
    }

    double stage_s(std::size_t fabric, std::int64_t cycles, bool loads = true, double share = 1) const {
        return share * chunks_ * static_cast<double>(cycles) / problem_.clock(fabric) + (loads ? reload_s_[fabric] : 0);
    }
    double processor_s(std::size_t begin, std::size_t end) const {
        return processor_ > 0 ? chunks_ * static_cast<double>(problem_.macs(begin, end)) / processor_ : never;
    }

    // From the last cut to the first: the work of all slots behind it. The less lies behind a cut the less work it is, so that a
    // stage goes as far as it reaches.
    double of_all_slots(bool loads) const {
        const auto cuts = network_.cuts.size();
        std::vector<double> rest(cuts, 0);
        for (auto cut = cuts - 1; cut-- > 0;) {
            auto best = never;
            for (std::size_t fabric = 0; fabric < rungs_.size(); ++fabric) {
                for (const auto& rung : rungs_[fabric])
                    if (rung.reach[cut] > cut) best = std::min(best, stage_s(fabric, rung.cycles, loads) + rest[rung.reach[cut]]);
                for (const auto& part : problem_.parted[fabric])
                    if (part.cut == cut) best = std::min(best, static_cast<double>(part.parts) * stage_s(fabric, part.cycles, loads) + rest[cut + 1]);
            }
            for (auto end = cut + 1; processor_ > 0 && end < cuts; ++end)
                best = std::min(best, processor_s(cut, end) + rest[end]);
            rest[cut] = std::max(best, rest[cut + 1]);
        }
        return rest[0] / static_cast<double>(places());
    }

    // A processor computes beside its board's fabrics.
    std::size_t places() const { return problem_.space.slots + (problem_.on_processors ? cluster_.boards.size() : 0); }

    // For each stage or part, however few.
    std::size_t fewest_seats() const {
        const auto cuts = network_.cuts.size();
        std::vector<std::size_t> rest(cuts, 0);
        for (auto cut = cuts - 1; cut-- > 0;) {
            auto best = processor_ > 0 ? std::size_t{1} : cuts * most_parts;
            for (std::size_t fabric = 0; fabric < rungs_.size(); ++fabric) {
                for (const auto& rung : rungs_[fabric])
                    if (rung.reach[cut] > cut) best = std::min(best, 1 + rest[rung.reach[cut]]);
                for (const auto& part : problem_.parted[fabric])
                    if (part.cut == cut) best = std::min(best, part.parts + rest[cut + 1]);
            }
            rest[cut] = std::max(best, rest[cut + 1]);
        }
        return rest[0];
    }

    // Some slot has at least its share of the seats, and two. Where there is one batch all chunks have come before the second is loaded.
    double of_turns(std::size_t seats) const {
        const auto slots = problem_.space.slots;
        const auto most = static_cast<double>(std::max<std::size_t>(2, (seats + slots - 1) / slots));
        const auto come = one_batch_ && !cluster_.input_at ? chunks_ * wire_s(cluster_.client, network_.cuts.front().bytes) : 0;
        return std::max(most * least_reload_s_, come + (most - 1) * least_reload_s_);
    }

    // The slot of the busiest of so many replicas of the stage that has this layer: no fewer chunks than a batch, or than its share.
    double of_replica(std::size_t cut, std::size_t replicas) const {
        const auto share = std::max(1 / static_cast<double>(replicas), batch_share_);
        auto least = share * processor_s(cut, cut + 1);
        for (std::size_t fabric = 0; fabric < rungs_.size(); ++fabric) {
            const auto fits = std::ranges::find_if(rungs_[fabric], [&](const Rung& rung) { return rung.reach[cut] > cut; });
            if (fits != rungs_[fabric].end()) least = std::min(least, stage_s(fabric, fits->cycles, true, share));
        }
        return least;
    }

    // The slot of one of this layer's parts.
    double of_parts(std::size_t cut) const {
        auto least = never;
        for (std::size_t fabric = 0; fabric < rungs_.size(); ++fabric)
            for (const auto& part : problem_.parted[fabric])
                if (part.cut == cut) least = std::min(least, stage_s(fabric, part.cycles));
        return least;
    }

    double of_client() const {
        double worst = 0;
        if (!cluster_.input_at) worst = std::max(worst, wire_s(cluster_.client, network_.cuts.front().bytes));
        if (!cluster_.output_at) worst = std::max(worst, wire_s(cluster_.client, network_.cuts.back().bytes));
        return chunks_ * worst;
    }

    const Network& network_;
    const Cluster& cluster_;
    Problem problem_;
    double chunks_;
    bool one_batch_;
    std::size_t most_replicas_ = 1;         // each has a batch
    double batch_share_ = 1;                // of the chunks
    std::vector<std::vector<Rung>> rungs_;  // by fabric
    std::vector<double> reload_s_;          // by fabric
    double least_reload_s_ = 0;
    double processor_ = 0;                  // products in a second, of the fastest; 0: no stage is for one
};

}  // namespace

double least_wall_s(const Network& network, const Cluster& cluster, std::size_t chunks, std::size_t batch, std::optional<std::size_t> stages,
                    Solvers* solvers) {
    return Least(network, cluster, chunks, std::max<std::size_t>(1, batch), solvers).value(stages.value_or(0));
}

}  // namespace fard::planner
