#include "splitter/search/slot_prices.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fard::splitter {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr std::size_t most_work = 300'000'000;  // of all rounds, about a second

}  // namespace

SlotPrices::SlotPrices(Problem& problem)
    : problem_(problem), kinds_(problem.space.kinds.size()), cuts_(problem.network.cuts.size()), prices_(kinds_, 0) {
    stages_.resize(problem.space.fabrics.size());
    for (std::size_t fabric = 0; fabric < stages_.size(); ++fabric) {
        for (std::size_t begin = 0; begin < cuts_; ++begin) {
            auto& from = stages_[fabric].emplace_back(problem.solver(fabric).latency_bounds(begin));
            for (auto& cycles : from)
                cycles /= problem.clock(fabric);
        }
    }
    tables_.rest.resize(cuts_ * kinds_);
    tables_.begun.resize(cuts_ * kinds_);
    tables_.steps.resize(cuts_ * kinds_);
    tables_.next.resize(cuts_ * kinds_);
    tables_.rest_of_parts.resize(cuts_);
    tables_.begun_in_parts.resize(cuts_);
    tables_.steps_in_parts.resize(cuts_);
    tables_.next_of_parts.resize(cuts_);
    bound_s_ = pass(prices_);
    rest_ = tables_.rest;
}

double SlotPrices::stage_s(std::size_t fabric, std::size_t begin, std::size_t end) const {
    const auto& from = stages_[fabric][begin];
    return end - begin - 1 < from.size() ? from[end - begin - 1] : infinite;
}

End SlotPrices::end_at(std::size_t kind) const {
    if (kind == kinds_) return {&problem_.cluster.client, nullptr};
    const auto& board = problem_.space.board(problem_.cluster, kind);
    return {&board.way, &board};
}

double SlotPrices::way_s(std::size_t cut, std::size_t from, std::size_t to) const {
    if (from == to && from < kinds_ && problem_.space.kinds[from].tracked) return 0;
    return transfer_s(end_at(from), end_at(to), problem_.network.cuts[cut].bytes);
}

// What parts send: only who takes all of it surely pays; where a board may hold sender and taker, nobody.
double SlotPrices::merge_s(std::size_t cut, std::size_t to) const {
    if (problem_.space.any_tracked) return 0;
    const auto end = end_at(to);
    const auto taken = Traffic::of(problem_.network.cuts[cut].bytes);
    return end.way->latency_s + wire_s(*end.way, taken) + (end.board ? host_s(*end.board, taken) : 0);
}

// What a stage that begins at a cut comes to, by its kind.
void SlotPrices::begin_stages(const std::vector<double>& prices, std::size_t cut) {
    for (std::size_t kind = 0; kind < kinds_; ++kind) {
        const auto fabric = problem_.space.kinds[kind].fabric;
        const auto& from = stages_[fabric][cut];
        const auto* rest = &tables_.rest[kind * cuts_ + cut + 1];
        double best = infinite;
        Step step{0, static_cast<std::uint16_t>(kind)};
        for (std::size_t i = 0; i < from.size(); ++i)
            if (const auto all = from[i] + rest[i]; all < best)
                best = all, step.end = static_cast<std::uint32_t>(cut + 1 + i);
        const auto rate = problem_.space.board(problem_.cluster, kind).macs_per_s;
        for (auto end = cut + 1; problem_.on_processors && rate > 0 && end < cuts_; ++end)
            if (const auto all = static_cast<double>(problem_.macs(cut, end)) / rate + rest[end - cut - 1]; all < best)
                best = all, step.end = static_cast<std::uint32_t>(end);
        tables_.begun[cut * kinds_ + kind] = best + prices[kind];
        tables_.steps[cut * kinds_ + kind] = step;
    }
}

// The same in parts: at the lowest price of a fabric.
void SlotPrices::begin_in_parts(const std::vector<double>& prices, std::size_t cut) {
    auto& best = tables_.begun_in_parts[cut];
    best = infinite;
    for (const auto parts : problem_.part_counts[cut])
        for (std::size_t kind = 0; kind < kinds_; ++kind) {
            const auto fabric = problem_.space.kinds[kind].fabric;
            const auto* part = problem_.fastest_part(fabric, cut, parts);
            if (!part) continue;
            const auto all = part->latency / problem_.clock(fabric) + static_cast<double>(parts) * prices[kind] +
                             tables_.rest_of_parts[cut + 1];
            if (all >= best) continue;
            best = all;
            tables_.steps_in_parts[cut] = {static_cast<std::uint32_t>(cut + 1), static_cast<std::uint16_t>(kind),
                                           static_cast<std::uint16_t>(parts), true};
        }
}

// What comes behind a stage that ended at a cut.
void SlotPrices::end_stages(std::size_t cut) {
    for (std::size_t from = 0; from <= kinds_; ++from) {
        const bool of_parts = from == kinds_;
        double best = infinite;
        std::size_t next = 0;
        double least_way = infinite;
        for (std::size_t to = 0; to < kinds_; ++to) {
            const auto way = of_parts ? merge_s(cut, to) : way_s(cut, from, to);
            least_way = std::min(least_way, way);
            if (const auto all = way + tables_.begun[cut * kinds_ + to]; all < best) best = all, next = to;
        }
        if (problem_.space.any_tracked) least_way = 0;
        if (const auto all = least_way + tables_.begun_in_parts[cut]; all < best) best = all, next = kinds_;
        (of_parts ? tables_.rest_of_parts[cut] : tables_.rest[from * cuts_ + cut]) = best;
        (of_parts ? tables_.next_of_parts[cut] : tables_.next[cut * kinds_ + from]) = static_cast<std::uint16_t>(next);
    }
}

double SlotPrices::pass(const std::vector<double>& prices) {
    const auto& cluster = problem_.cluster;
    const auto kind_at = [&](std::optional<std::size_t> board) { return board ? problem_.space.kind_of[*board] : kinds_; };
    const auto source = kind_at(cluster.input_at), sink = kind_at(cluster.output_at);
    for (std::size_t kind = 0; kind < kinds_; ++kind)
        tables_.rest[kind * cuts_ + cuts_ - 1] = way_s(cuts_ - 1, kind, sink);
    tables_.rest_of_parts[cuts_ - 1] = merge_s(cuts_ - 1, sink);
    for (auto cut = cuts_ - 1; cut-- > 0;) {
        begin_stages(prices, cut);
        begin_in_parts(prices, cut);
        if (cut > 0) end_stages(cut);
    }
    double best = infinite;
    double least_way = infinite;
    for (std::size_t to = 0; to < kinds_; ++to) {
        const auto way = way_s(0, source, to);
        least_way = std::min(least_way, way);
        if (const auto all = way + tables_.begun[to]; all < best) best = all, tables_.next[0] = static_cast<std::uint16_t>(to);
    }
    if (problem_.space.any_tracked) least_way = 0;
    if (const auto all = least_way + tables_.begun_in_parts[0]; all < best)
        best = all, tables_.next[0] = static_cast<std::uint16_t>(kinds_);
    for (std::size_t kind = 0; kind < kinds_; ++kind)
        best -= prices[kind] * static_cast<double>(problem_.space.kinds[kind].capacity);
    return best;
}

std::vector<double> SlotPrices::used() const {
    std::vector<double> slots(kinds_, 0);
    std::size_t cut = 0, kind = tables_.next[0];
    while (cut + 1 < cuts_) {
        const auto& step = kind == kinds_ ? tables_.steps_in_parts[cut] : tables_.steps[cut * kinds_ + kind];
        if (step.end <= cut) break;  // nothing fits
        slots[step.kind] += step.slots;
        cut = step.end;
        if (cut + 1 < cuts_) kind = step.parts ? tables_.next_of_parts[cut] : tables_.next[cut * kinds_ + step.kind];
    }
    return slots;
}

void SlotPrices::raise(double known_s, int rounds) {
    if (!std::isfinite(bound_s_)) return;
    std::size_t work = kinds_ * kinds_ * cuts_;  // of one pass
    for (const auto& fabric : stages_)
        for (const auto& from : fabric)
            work += kinds_ * from.size();
    rounds = std::min(rounds, static_cast<int>(most_work / work) + 5);
    auto prices = prices_;
    pass(prices);
    double eagerness = 1;
    for (int round = 0, stale = 0; round < rounds && bound_s_ < known_s * (1 - 1e-9); ++round) {
        const auto slots = used();
        double norm = 0;
        std::vector<double> over(kinds_);
        for (std::size_t kind = 0; kind < kinds_; ++kind) {
            over[kind] = slots[kind] - static_cast<double>(problem_.space.kinds[kind].capacity);
            if (over[kind] < 0 && prices[kind] == 0) over[kind] = 0;
            norm += over[kind] * over[kind];
        }
        if (norm == 0) return;
        const auto step = eagerness * (known_s - bound_s_) / norm;
        for (std::size_t kind = 0; kind < kinds_; ++kind)
            prices[kind] = std::max(0.0, prices[kind] + step * over[kind]);
        if (const auto now = pass(prices); now > bound_s_) {
            bound_s_ = now;
            prices_ = prices;
            rest_ = tables_.rest;
            stale = 0;
        } else if (++stale == 4) {
            eagerness /= 2;
            stale = 0;
            prices = prices_;
            pass(prices);
        }
    }
}

}  // namespace fard::splitter
