#include "splitter/search/labels.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace fard::splitter {
namespace {

using Least = Question::Least;

constexpr std::size_t most_placements = 512;
constexpr std::size_t nobody = ~std::size_t{0};
constexpr double slack = 1 + 1e-12;

struct Label {
    double value = 0;
    std::size_t stages = 0;
    std::size_t slots = 0;             // used, of all kinds
    std::vector<std::uint16_t> used;   // by kind
    std::vector<double> loads;         // of tracked kinds: processor, way in, way out, each
    std::size_t last = nobody;         // placement of the last stage, where it matters
    // How it came about.
    std::size_t from_cut = 0, from_label = 0, placement = nobody;
    bool on_processor = false;
};

class Search {
  public:
    Search(Problem& problem, const Question& question)
        : problem_(problem),
          question_(question),
          cuts_(problem.network.cuts),
          kinds_(problem.space.kinds),
          labels_(cuts_.size()) {
        placements_ = placements(problem.space, std::max<std::size_t>(1, question.replicas), most_placements, answer_.complete);
        for (const auto& kind : kinds_) {
            tracked_.push_back(kind.tracked ? loads_ : nobody);
            if (kind.tracked) loads_ += 3;
        }
        bounded_ = std::isfinite(question.period_s);
        if (!bounded_) loads_ = 0;
    }

    Answer run() {
        Label start;
        start.used.assign(kinds_.size(), 0);
        start.loads.assign(loads_, 0);
        labels_[0].push_back(std::move(start));
        for (std::size_t cut = 0; cut + 1 < cuts_.size(); ++cut)
            for (std::size_t i = 0; i < labels_[cut].size(); ++i)
                for (std::size_t p = 0; p < placements_.size(); ++p)
                    extend(cut, i, p);
        pick();
        return std::move(answer_);
    }

  private:
    const StageSolver::Reach& reach(std::size_t fabric, std::size_t replicas) {
        auto [place, added] = reach_.try_emplace({fabric, replicas});
        if (added) {
            place->second = problem_.solvers[fabric].reach(problem_.limit(fabric, replicas, question_.period_s));
            if (place->second.surely != place->second.possibly) answer_.complete = false;
        }
        return place->second;
    }

    const Board& board(std::size_t kind) const { return problem_.space.board(problem_.cluster, kind); }

    void extend(std::size_t cut, std::size_t number, std::size_t p) {
        const auto& placement = placements_[p];
        const auto& label = labels_[cut][number];
        for (std::size_t kind = 0; kind < kinds_.size(); ++kind)
            if (label.used[kind] + placement.slots[kind] > kinds_[kind].capacity) return;
        if (question_.stages && label.stages >= *question_.stages) return;
        const auto farthest = reach(placement.fabric, placement.replicas).surely[cut];
        auto next = arrive(cut, label, p);
        if (!next) return;
        next->from_cut = cut;
        next->from_label = number;
        for (auto end = cut + 1; end <= farthest; ++end)
            stage(cut, end, *next, p, false);
        if (!problem_.on_processors) return;
        for (auto end = cut + 1; end < cuts_.size(); ++end)
            if (!stage(cut, end, *next, p, true)) break;
    }

    // The label with the chunk handed to a placement, and the placement's slots taken. None: too slow.
    std::optional<Label> arrive(std::size_t cut, const Label& label, std::size_t p) {
        const auto& placement = placements_[p];
        Label next = label;
        ++next.stages;
        next.slots += placement.replicas;
        for (std::size_t kind = 0; kind < kinds_.size(); ++kind)
            next.used[kind] = static_cast<std::uint16_t>(next.used[kind] + placement.slots[kind]);
        if (cut == 0) {
            if (!hand_on(next, source(problem_.cluster.input_at), &placement, cut)) return std::nullopt;
        } else if (!hand_on(next, &placements_[label.placement], &placement, cut)) {
            return std::nullopt;
        }
        next.placement = p;
        return next;
    }

    // A board or the client as the placement of one slot; none: the client.
    const Placement* source(std::optional<std::size_t> at) {
        if (!at) return nullptr;
        end_.slots.assign(kinds_.size(), 0);
        end_.slots[problem_.space.kind_of[*at]] = 1;
        end_.replicas = 1;
        return &end_;
    }

    // What a cut's bytes cost the tracked boards on both sides, and the time that they take. False: too much.
    bool hand_on(Label& label, const Placement* from, const Placement* to, std::size_t cut) {
        if (question_.least == Least::bytes && cut != 0 && cut + 1 != cuts_.size())
            label.value += static_cast<double>(cuts_[cut].bytes);
        if (question_.least == Least::latency) label.value += way_s(from, to, cuts_[cut].bytes);
        if (!bounded_) return true;
        const auto share = [](const Placement* placement, std::size_t kind) {
            return placement ? static_cast<double>(placement->slots[kind]) / static_cast<double>(placement->replicas) : 0;
        };
        const auto limit = question_.period_s * slack;
        const auto bytes = cuts_[cut].bytes;
        if ((!from || !to) && wire_s(problem_.cluster.client, bytes) > limit) return false;
        for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
            if (tracked_[kind] == nobody) continue;
            auto* loads = &label.loads[tracked_[kind]];
            const auto sends = share(from, kind) * (1 - share(to, kind));
            const auto takes = share(to, kind) * (1 - share(from, kind));
            loads[0] += (sends + takes) * host_s(board(kind), bytes);
            loads[1] += takes * wire_s(board(kind).way, bytes);
            loads[2] += sends * wire_s(board(kind).way, bytes);
            if (loads[0] > limit || loads[1] > limit || loads[2] > limit) return false;
        }
        return true;
    }

    // By the slowest pair, as evaluate() has it. Placements of one replica.
    double way_s(const Placement* from, const Placement* to, std::uint64_t bytes) const {
        const auto end = [&](const Placement* placement, std::size_t& kind) -> End {
            if (!placement) return {&problem_.cluster.client, nullptr};
            while (placement->slots[kind] == 0)
                ++kind;
            return {&board(kind).way, &board(kind)};
        };
        std::size_t sender = 0, receiver = 0;
        const auto a = end(from, sender), b = end(to, receiver);
        const bool stays = from && to && sender == receiver && kinds_[sender].tracked;
        return stays ? 0 : transfer_s(a, b, bytes);
    }

    // Adds the stage between two cuts. False: no longer one can be added either.
    bool stage(std::size_t begin, std::size_t end, const Label& arrived, std::size_t p, bool on_processor) {
        const auto& placement = placements_[p];
        const auto replicas = static_cast<double>(placement.replicas);
        const auto& first = problem_.cluster.boards[problem_.space.fabrics[placement.fabric]];
        double work = 0;
        if (on_processor) {
            if (!(first.macs_per_s > 0)) return false;
            work = static_cast<double>(problem_.macs(begin, end)) / first.macs_per_s;
            if (work / replicas > question_.period_s * slack && !problem_.space.any_tracked) return false;
        }
        Label label = arrived;
        label.on_processor = on_processor;
        if (bounded_ && !bear(label, placement, begin, end, work)) return true;
        if (!add_value(label, placement, begin, end, work)) return true;
        if (end + 1 == cuts_.size() && !hand_on(label, &placement, source(problem_.cluster.output_at), end)) return true;
        if (question_.least == Least::latency || matters(placement)) label.last = p;
        keep(end, std::move(label));
        return true;
    }

    // Whether what comes behind depends on where the stage is.
    bool matters(const Placement& placement) const {
        if (!bounded_) return false;
        for (std::size_t kind = 0; kind < kinds_.size(); ++kind)
            if (placement.slots[kind] > 0 && tracked_[kind] != nobody) return true;
        return false;
    }

    // Whether the boards of a stage can do its part of the work in the period.
    bool bear(Label& label, const Placement& placement, std::size_t begin, std::size_t end, double work) const {
        const auto limit = question_.period_s * slack;
        for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
            if (placement.slots[kind] == 0) continue;
            const auto replicas = static_cast<double>(placement.replicas);
            if (tracked_[kind] != nobody) {
                auto& load = label.loads[tracked_[kind]];
                load += static_cast<double>(placement.slots[kind]) / replicas * work;
                if (load > limit) return false;
                continue;
            }
            const auto in = cuts_[begin].bytes, out = cuts_[end].bytes;
            const auto& way = board(kind).way;
            if ((host_s(board(kind), in) + host_s(board(kind), out) + work) / replicas > limit) return false;
            if (wire_s(way, in) / replicas > limit || wire_s(way, out) / replicas > limit) return false;
        }
        return true;
    }

    bool add_value(Label& label, const Placement& placement, std::size_t begin, std::size_t end, double work) {
        auto& solver = problem_.solvers[placement.fabric];
        switch (question_.least) {
            case Least::slots: label.value = static_cast<double>(label.slots); break;
            case Least::bytes: break;
            case Least::share:
                label.value = std::max(label.value, label.on_processor ? 0 : solver.least_share(begin, end));
                break;
            case Least::latency:
                if (label.on_processor) {
                    label.value += work;
                    break;
                }
                const auto& fastest = problem_.fastest(placement.fabric, begin, end, answer_.complete);
                if (!fastest) return false;
                label.value += static_cast<double>(fastest->latency) / problem_.clock(placement.fabric);
                break;
        }
        return true;
    }

    // Not worse in anything that counts for the rest.
    bool covers(const Label& a, const Label& b) const {
        if (a.value > b.value || a.last != b.last) return false;
        if (question_.stages && a.stages != b.stages) return false;
        for (std::size_t i = 0; i < a.used.size(); ++i)
            if (a.used[i] > b.used[i]) return false;
        for (std::size_t i = 0; i < a.loads.size(); ++i)
            if (a.loads[i] > b.loads[i]) return false;
        return true;
    }

    // Labels of a later cut may go: nothing refers to them yet.
    void keep(std::size_t cut, Label label) {
        auto& there = labels_[cut];
        if (std::ranges::any_of(there, [&](const Label& other) { return covers(other, label); })) return;
        std::erase_if(there, [&](const Label& other) { return covers(label, other); });
        there.push_back(std::move(label));
        if (there.size() <= question_.labels) return;
        answer_.complete = false;
        there.erase(std::ranges::max_element(there, {}, [](const Label& l) { return std::pair(l.value, l.slots); }));
    }

    void pick() {
        const Label* best = nullptr;
        for (const auto& label : labels_.back())
            if (!question_.stages || label.stages == *question_.stages)
                if (!best || label.value < best->value) best = &label;
        if (!best) return;
        answer_.value = best->value;
        answer_.plan = build(*best);
    }

    Plan build(const Label& last) {
        std::vector<Problem::Draft> drafts;
        auto end = cuts_.size() - 1;
        for (const auto* label = &last; label->placement != nobody; label = &labels_[label->from_cut][label->from_label]) {
            const auto& placement = placements_[label->placement];
            auto& draft = drafts.emplace_back();
            draft = {label->from_cut, end, label->on_processor, {}, placement.slots};
            if (!label->on_processor) draft.foldings = foldings(draft, placement);
            end = label->from_cut;
        }
        std::ranges::reverse(drafts);
        return problem_.plan_of(drafts);
    }

    std::vector<std::size_t> foldings(const Problem::Draft& draft, const Placement& placement) {
        bool exact = true;
        if (question_.least == Least::latency)
            return problem_.fastest(placement.fabric, draft.begin, draft.end, exact)->foldings;
        const auto limit = problem_.limit(placement.fabric, placement.replicas, question_.period_s);
        return problem_.solvers[placement.fabric].fit(draft.begin, draft.end, limit)->foldings;
    }

    Problem& problem_;
    const Question& question_;
    const std::vector<Cut>& cuts_;
    const std::vector<Kind>& kinds_;
    std::vector<Placement> placements_;
    std::vector<std::size_t> tracked_;  // by kind: its first load
    std::size_t loads_ = 0;
    bool bounded_ = false;
    Placement end_;
    std::map<std::pair<std::size_t, std::size_t>, StageSolver::Reach> reach_;  // by fabric and replicas
    std::vector<std::vector<Label>> labels_;                                  // by cut
    Answer answer_;
};

}  // namespace

Answer search_labels(Problem& problem, const Question& question) {
    return Search(problem, question).run();
}

}  // namespace fard::splitter
