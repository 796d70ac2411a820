#include "splitter/search/labels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "splitter/search/slot_prices.hpp"

namespace fard::splitter {
namespace {

using Least = Question::Least;

constexpr std::size_t most_placements = 512;
constexpr std::size_t nobody = ~std::size_t{0};
constexpr double slack = 1 + 1e-12;

struct Label {
    double value = 0;
    double promise = 0;                // by what it is kept where there are too many
    std::size_t stages = 0;
    std::size_t slots = 0;             // used, of all kinds
    std::vector<std::uint16_t> used;   // by kind
    std::vector<double> loads;         // of tracked kinds: processor, way in, way out, each
    std::size_t last = nobody;         // placement of the last stage, where it matters
    std::size_t parts = 1;             // of the last stage
    std::size_t merge = 1;             // parts of the stage before the last one
    std::size_t fan = 1;               // parts of the stage that comes next: the last one sends each a chunk
    double paid = 0, rest = 0;         // at the prices of slots: for those used; what is still to come behind the last stage
    // How it came about.
    std::size_t from_cut = 0, from_label = 0, placement = nobody;
    bool on_processor = false;
};

// What tells quickly that one label does not cover another. The slots of each of up to 8 kinds have a byte, as far as 7 bits hold them.
struct Key {
    static constexpr std::uint64_t spare = 0x8080808080808080;
    double value = 0;
    std::uint64_t used = 0;
    std::uint32_t last = 0;
    std::uint16_t stages = 0;
    std::uint8_t parts = 1, fan = 1;

    bool may_cover(const Key& other) const {
        return value <= other.value && last == other.last && (((other.used | spare) - used) & spare) == spare && parts == other.parts &&
               fan == other.fan && stages == other.stages;
    }
};

class Search {
  public:
    Search(Problem& problem, const Question& question)
        : problem_(problem),
          question_(question),
          cuts_(problem.network.cuts),
          kinds_(problem.space.kinds),
          labels_(cuts_.size()),
          keys_(cuts_.size()),
          worst_(cuts_.size(), std::numeric_limits<double>::infinity()) {
        in_parts_ = question.parts && problem.has_parts();
        const auto most = std::max({std::size_t{1}, question.replicas, in_parts_ ? most_parts : 1});
        placements_ = placements(problem.space, most, most_placements, answer_.complete);
        for (const auto& kind : kinds_) {
            tracked_.push_back(kind.tracked ? loads_ : nobody);
            if (kind.tracked) loads_ += 3;
        }
        bounded_ = std::isfinite(question.period_s);
        if (!bounded_) loads_ = 0;
        packed_ = kinds_.size() <= 8 && std::ranges::all_of(kinds_, [](const Kind& kind) { return kind.capacity < 128; });
        for (std::size_t kind = 0; question.prices && kind < kinds_.size(); ++kind)
            all_paid_ += question.prices->price_s(kind) * static_cast<double>(kinds_[kind].capacity);
    }

    Answer run() {
        Label start;
        start.used.assign(kinds_.size(), 0);
        start.loads.assign(loads_, 0);
        keys_[0].push_back(key_of(start.value, start));
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
            place->second = &problem_.solver(fabric).reach(problem_.limit(fabric, replicas, question_.period_s));
            if (place->second->surely != place->second->possibly) answer_.complete = false;
        }
        return *place->second;
    }

    const Board& board(std::size_t kind) const { return problem_.space.board(problem_.cluster, kind); }

    void extend(std::size_t cut, std::size_t number, std::size_t p) {
        const auto& placement = placements_[p];
        const auto& label = labels_[cut][number];
        for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
            if (label.used[kind] + placement.slots[kind] > kinds_[kind].capacity) return;
            if (const auto twin = kinds_[kind].twin; twin && placement.slots[kind] > 0 && label.used[*twin] + placement.slots[*twin] == 0) return;
        }
        if (question_.stages && label.stages >= *question_.stages) return;
        if (in_parts_ && placement.replicas > 1) extend_in_parts(cut, number, p);
        if (placement.replicas > question_.replicas || label.fan != 1) return;
        const auto farthest = reach(placement.fabric, placement.replicas).surely[cut];
        if (!arrive(cut, number, p, 1)) return;
        for (auto end = cut + 1; end <= farthest; ++end)
            stage(cut, end, p, false);
        if (!problem_.on_processors) return;
        for (auto end = cut + 1; end < cuts_.size(); ++end)
            if (!stage(cut, end, p, true)) break;
    }

    // One part on each slot of the placement.
    void extend_in_parts(std::size_t cut, std::size_t number, std::size_t p) {
        const auto& placement = placements_[p];
        const auto parts = placement.replicas, fan = labels_[cut][number].fan;
        if ((cut != 0 && fan != parts) || std::ranges::find(problem_.part_counts[cut], parts) == problem_.part_counts[cut].end()) return;
        const auto limit = problem_.limit(placement.fabric, 1, question_.period_s);
        if (!problem_.part_within(placement.fabric, cut, parts, limit)) return;
        if (arrive(cut, number, p, parts)) stage(cut, cut + 1, p, false);
    }

    // `arrived_`: the label with the chunk handed to a placement, and the placement's slots taken. False: too slow.
    bool arrive(std::size_t cut, std::size_t number, std::size_t p, std::size_t parts) {
        const auto& placement = placements_[p];
        const auto& label = labels_[cut][number];
        auto& next = arrived_;
        next = label;
        next.from_cut = cut;
        next.from_label = number;
        next.parts = parts;
        next.merge = label.parts;
        next.placement = p;
        next.last = question_.least == Least::latency || matters(placement) ? p : nobody;
        ++next.stages;
        next.slots += placement.replicas;
        for (std::size_t kind = 0; kind < kinds_.size(); ++kind)
            next.used[kind] = static_cast<std::uint16_t>(next.used[kind] + placement.slots[kind]);
        if (question_.prices) next.paid = paid(next);
        if (cut == 0) return hand_on(next, source(problem_.cluster.input_at), {&placement, parts}, cut);
        return hand_on(next, {&placements_[label.placement], label.parts}, {&placement, parts}, cut);
    }

    // Who hands on or takes: replicas or parts.
    struct Party {
        const Placement* at = nullptr;  // none: the client
        std::size_t parts = 1;
        double slots(std::size_t kind) const { return at ? static_cast<double>(at->slots[kind]) : 0; }
        // Of the messages of one chunk, how many concern a tracked kind's board, and how many do not.
        double here(std::size_t kind) const {
            if (!at) return 0;
            return parts > 1 ? slots(kind) : slots(kind) / static_cast<double>(at->replicas);
        }
        double elsewhere(std::size_t kind) const {
            return parts > 1 ? static_cast<double>(parts) - slots(kind) : 1 - here(kind);
        }
    };

    // A board or the client as the placement of one slot; none: the client.
    Party source(std::optional<std::size_t> at) {
        if (!at) return {};
        end_.slots.assign(kinds_.size(), 0);
        end_.slots[problem_.space.kind_of[*at]] = 1;
        end_.replicas = 1;
        return {&end_};
    }

    // What a cut's bytes cost the tracked boards on both sides, and the time that they take. False: too much.
    bool hand_on(Label& label, const Party& from, const Party& to, std::size_t cut) {
        if (question_.least == Least::bytes && cut != 0 && cut + 1 != cuts_.size())
            label.value += static_cast<double>(cuts_[cut].bytes);
        if (question_.least == Least::latency) label.value += way_s(from, to, cuts_[cut].bytes);
        if (!bounded_) return true;
        const auto limit = question_.period_s * slack;
        const auto bytes = static_cast<double>(cuts_[cut].bytes), each = bytes / static_cast<double>(from.parts);
        if (!from.at && wire_s(problem_.cluster.client, Traffic{1, bytes * static_cast<double>(to.parts)}) > limit) return false;
        if (!to.at && wire_s(problem_.cluster.client, Traffic{1, bytes}) > limit) return false;
        for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
            if (tracked_[kind] == nobody) continue;
            auto* loads = &label.loads[tracked_[kind]];
            const auto sends = from.here(kind) * to.elsewhere(kind);
            const auto takes = to.here(kind) * from.elsewhere(kind);
            loads[0] += (sends + takes) * host_s(board(kind), Traffic{1, each});
            loads[1] += takes * wire_s(board(kind).way, Traffic{1, each});
            loads[2] += sends * wire_s(board(kind).way, Traffic{1, each});
            if (loads[0] > limit || loads[1] > limit || loads[2] > limit) return false;
        }
        return true;
    }

    // By the slowest pair, as evaluate() has it. Placements of one replica, or of parts.
    double way_s(const Party& from, const Party& to, std::uint64_t bytes) const {
        const auto each = static_cast<double>(bytes) / static_cast<double>(from.parts);
        double slowest = 0;
        for (const auto sender : kinds_of(from))
            for (const auto receiver : kinds_of(to)) {
                if (sender == receiver && sender != nobody && kinds_[sender].tracked) continue;
                const auto sent = met(from, sender, true) * met(to, sender, false);
                const auto taken = met(to, receiver, true) * met(from, receiver, false);
                slowest = std::max(slowest, transfer_s(end(sender), {sent, sent * each}, end(receiver), {taken, taken * each}));
            }
        return slowest;
    }
    std::vector<std::size_t> kinds_of(const Party& party) const {
        if (!party.at) return {nobody};
        std::vector<std::size_t> all;
        for (std::size_t kind = 0; kind < kinds_.size(); ++kind)
            if (party.at->slots[kind] > 0) all.push_back(kind);
        return all;
    }
    End end(std::size_t kind) const {
        if (kind == nobody) return {&problem_.cluster.client, nullptr};
        return {&board(kind).way, &board(kind)};
    }
    // How many of a party one board of a kind meets for a chunk, of those on it or of the others.
    double met(const Party& party, std::size_t kind, bool on_it) const {
        if (party.parts == 1) return 1;
        double own = 0;
        if (kind != nobody) own = kinds_[kind].tracked ? party.slots(kind) : std::min(1.0, party.slots(kind));
        // A board that is not tracked has one slot: it is one of the parts, or none of them.
        if (on_it) return own;
        return static_cast<double>(party.parts) - (kind != nobody && kinds_[kind].tracked ? own : 0);
    }

    // Adds the stage between two cuts to `arrived_`. False: no longer one can be added either.
    bool stage(std::size_t begin, std::size_t end, std::size_t p, bool on_processor) {
        const auto& placement = placements_[p];
        double work = 0;
        if (on_processor) {
            const auto& first = problem_.cluster.boards[problem_.space.fabrics[placement.fabric]];
            if (!(first.macs_per_s > 0)) return false;
            work = static_cast<double>(problem_.macs(begin, end)) / first.macs_per_s;
            if (work / static_cast<double>(placement.replicas) > question_.period_s * slack && !problem_.space.any_tracked) return false;
        }
        auto& label = arrived_;
        label.on_processor = on_processor;
        label.fan = 1;
        label.rest = question_.prices && end + 1 < cuts_.size() ? rest_of(placement, end) : 0;
        const auto value = value_with(placement, begin, end, work);
        if (!value) return true;
        send_on(*value, p, begin, end, work);
        if (in_parts_ && end + 1 < cuts_.size())
            for (const auto fan : problem_.part_counts[end]) {
                label.fan = fan;
                send_on(*value, p, begin, end, work);
            }
        return true;
    }

    // Keeps the label with such a value if its boards can send to as many as come next.
    void send_on(double value, std::size_t p, std::size_t begin, std::size_t end, double work) {
        if (end + 1 < cuts_.size() && refused(end, value)) return;
        const auto& placement = placements_[p];
        auto& label = sent_;
        label = arrived_;
        label.value = value;
        if (bounded_ && !bear(label, placement, begin, end, work)) return;
        if (end + 1 == cuts_.size() && !hand_on(label, {&placement, label.parts}, source(problem_.cluster.output_at), end)) return;
        label.promise = label.value;
        if (question_.prices && end + 1 < cuts_.size()) {
            if (label.parts == 1 && hopeless(label.value)) return;
            label.promise = promise(label.value);
        }
        keep(end, label);
    }

    // The best that may come of `arrived_` with such a value behind its stage, at the prices of slots.
    double promise(double value) const { return value + arrived_.paid + arrived_.rest; }
    bool hopeless(double value) const { return promise(value) - all_paid_ >= question_.known_s; }
    // What is still to come; parts hand on for less than any of their kinds.
    double rest_of(const Placement& placement, std::size_t cut) const {
        double rest = std::numeric_limits<double>::infinity();
        for (std::size_t kind = 0; kind < kinds_.size(); ++kind)
            if (placement.slots[kind] > 0) rest = std::min(rest, question_.prices->rest_s(cut, kind));
        return rest;
    }
    double paid(const Label& label) const {
        double all = 0;
        for (std::size_t kind = 0; kind < kinds_.size(); ++kind)
            all += question_.prices->price_s(kind) * label.used[kind];
        return all;
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
            const auto replicas = label.parts > 1 ? 1 : static_cast<double>(placement.replicas);
            if (tracked_[kind] != nobody) {
                auto& load = label.loads[tracked_[kind]];
                load += static_cast<double>(placement.slots[kind]) / replicas * work;
                if (load > limit) return false;
                continue;
            }
            const Traffic in{static_cast<double>(label.merge), static_cast<double>(cuts_[begin].bytes)};
            const auto fan = static_cast<double>(label.fan);
            const Traffic out{fan, fan * static_cast<double>(cuts_[end].bytes) / static_cast<double>(label.parts)};
            const auto& way = board(kind).way;
            if ((host_s(board(kind), in) + host_s(board(kind), out) + work) / replicas > limit) return false;
            if (wire_s(way, in) / replicas > limit || wire_s(way, out) / replicas > limit) return false;
        }
        return true;
    }

    // The value of `arrived_` with a stage; none: nothing fits, or nothing comes of it.
    std::optional<double> value_with(const Placement& placement, std::size_t begin, std::size_t end, double work) {
        const auto& label = arrived_;
        auto& solver = problem_.solver(placement.fabric);
        switch (question_.least) {
            case Least::slots: return static_cast<double>(label.slots);
            case Least::bytes: return label.value;
            case Least::share: return std::max(label.value, label.on_processor ? 0 : solver.least_share(begin, end));
            case Least::worst: return std::max(label.value, question_.of_stage(begin, end));
            case Least::latency: break;
        }
        if (label.on_processor) return label.value + work;
        if (label.parts > 1) return label.value + problem_.fastest_part(placement.fabric, begin, label.parts)->latency / problem_.clock(placement.fabric);
        if (question_.prices && end + 1 < cuts_.size())
            if (const auto least = label.value + question_.prices->stage_s(placement.fabric, begin, end); hopeless(least) || refused(end, least))
                return std::nullopt;
        const auto& fastest = solver.fastest(begin, end, answer_.complete);
        if (!fastest) return std::nullopt;
        return label.value + fastest->latency / problem_.clock(placement.fabric);
    }

    // Whether `arrived_` would not be kept, were its value no more than this.
    bool refused(std::size_t cut, double value) {
        if (bounded_) return false;
        const bool no_room = promise(value) > worst_[cut];
        if (no_room && !answer_.complete) return true;
        if (is_covered(cut, value, arrived_)) return true;
        if (no_room) answer_.complete = false;
        return no_room;
    }

    Key key_of(double value, const Label& label) const {
        Key key{.value = value, .last = static_cast<std::uint32_t>(label.last), .parts = static_cast<std::uint8_t>(label.parts), .fan = static_cast<std::uint8_t>(label.fan)};
        if (question_.stages) key.stages = static_cast<std::uint16_t>(label.stages);
        for (std::size_t kind = 0; packed_ && kind < kinds_.size(); ++kind)
            key.used |= std::uint64_t{label.used[kind]} << (8 * kind);
        return key;
    }

    // Not worse in anything that counts for the rest, where the keys may cover.
    bool covers(const Label& a, const Label& b) const {
        for (std::size_t i = 0; !packed_ && i < a.used.size(); ++i)
            if (a.used[i] > b.used[i]) return false;
        for (std::size_t i = 0; i < a.loads.size(); ++i)
            if (a.loads[i] > b.loads[i]) return false;
        return true;
    }
    bool is_covered(std::size_t cut, double value, const Label& label) const {
        const auto key = key_of(value, label);
        const auto& keys = keys_[cut];
        for (std::size_t i = 0; i < keys.size(); ++i)
            if (keys[i].may_cover(key) && covers(labels_[cut][i], label)) return true;
        return false;
    }

    // Labels of a later cut may go: nothing refers to them yet.
    void keep(std::size_t cut, const Label& label) {
        if (is_covered(cut, label.value, label)) return;
        auto& there = labels_[cut];
        auto& keys = keys_[cut];
        const auto key = key_of(label.value, label);
        std::size_t kept = 0;
        for (std::size_t i = 0; i < there.size(); ++i) {
            if (key.may_cover(keys[i]) && covers(label, there[i])) continue;
            if (kept != i) {
                there[kept] = std::move(there[i]);
                keys[kept] = keys[i];
            }
            ++kept;
        }
        there.resize(kept);
        keys.resize(kept);
        there.push_back(label);
        keys.push_back(key);
        if (there.size() < question_.labels) return;
        if (there.size() > question_.labels) {
            answer_.complete = false;
            const auto worst = least_promising(there);
            keys.erase(keys.begin() + (worst - there.begin()));
            there.erase(worst);
        }
        worst_[cut] = least_promising(there)->promise;
    }
    static std::vector<Label>::iterator least_promising(std::vector<Label>& labels) {
        return std::ranges::max_element(labels, {}, [](const Label& l) { return std::pair(l.promise, l.slots); });
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
            draft = {label->from_cut, end, label->on_processor, {}, placement.slots, label->parts};
            if (!label->on_processor) draft.foldings = foldings(draft, placement);
            end = label->from_cut;
        }
        std::ranges::reverse(drafts);
        return problem_.plan_of(drafts);
    }

    std::vector<std::size_t> foldings(const Problem::Draft& draft, const Placement& placement) {
        bool exact = true;
        if (draft.parts > 1) {
            const auto within = problem_.limit(placement.fabric, 1, question_.period_s);
            return (question_.least == Least::latency ? problem_.fastest_part(placement.fabric, draft.begin, draft.parts)
                                                      : problem_.part_within(placement.fabric, draft.begin, draft.parts, within))
                ->foldings;
        }
        if (question_.least == Least::latency)
            return problem_.solver(placement.fabric).fastest(draft.begin, draft.end, exact)->foldings;
        const auto limit = problem_.limit(placement.fabric, placement.replicas, question_.period_s);
        return problem_.solver(placement.fabric).fit(draft.begin, draft.end, limit)->foldings;
    }

    Problem& problem_;
    const Question& question_;
    const std::vector<Cut>& cuts_;
    const std::vector<Kind>& kinds_;
    std::vector<Placement> placements_;
    std::vector<std::size_t> tracked_;  // by kind: its first load
    std::size_t loads_ = 0;
    bool bounded_ = false, in_parts_ = false, packed_ = false;
    Placement end_;
    std::map<std::pair<std::size_t, std::size_t>, const StageSolver::Reach*> reach_;  // by fabric and replicas
    std::vector<std::vector<Label>> labels_;                                  // by cut
    std::vector<std::vector<Key>> keys_;                                      // of those
    std::vector<double> worst_;                                               // by cut, once it is full: the least promising label
    double all_paid_ = 0;                                                     // at the prices of slots, for all there are
    Label arrived_, sent_;                                                    // in the making
    Answer answer_;
};

}  // namespace

Answer search_labels(Problem& problem, const Question& question) {
    return Search(problem, question).run();
}

}  // namespace fard::splitter
