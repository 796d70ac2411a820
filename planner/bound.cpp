#include "planner/bound.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace fard::planner {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

// The work of one processor or way: how much for each chunk, when the first can be there, what comes behind the last at least.
// What replicas share is kept apart: how much of it each one gets is not said, only what they get together.
struct Share {
    double seconds = 0, shared = 0;
    double from = never, behind = never;

    void add(double more, bool is_shared, double earliest, double least_behind) {
        if (!(more > 0)) return;
        (is_shared ? shared : seconds) += more;
        from = std::min(from, earliest);
        behind = std::min(behind, least_behind);
    }
};

class Bound {
  public:
    Bound(const Pipeline& pipeline, const Seating& seating, std::size_t least, std::size_t most, const Run& run, bool each_turn)
        : pipeline_(pipeline), seating_(seating), run_(run), each_turn_(each_turn), chunks_(static_cast<double>(run.chunks)) {
        least_ = static_cast<double>(std::min(least, run.chunks));
        most_ = std::max<std::size_t>(1, std::min(most, run.chunks));
        for (std::size_t i = 0; i < seating.size(); ++i)
            for (const auto& seat : seating[i])
                if (pipeline.positions[i].on != Position::On::relay) slots_[{seat.board, seat.slot}].push_back(i);
        for (const auto& [slot, positions] : slots_)
            batched_ |= positions.size() > 1;
    }

    double value() {
        walk();
        double worst = last_done_;
        for (const auto& [slot, positions] : slots_)
            worst = std::max(worst, slot_s(slot, positions));
        carry();
        for (const auto* kind : {&processors_, &ways_in_, &ways_out_})
            worst = std::max(worst, carried_s(*kind));
        return worst;
    }

  private:
    using SlotKey = std::pair<std::size_t, std::size_t>;

    std::size_t count(std::size_t position) const { return seating_[position].size(); }
    bool in_parts(std::size_t position) const { return !pipeline_.positions[position].parts.empty(); }
    // Of one seat on average: how much of all chunks. The busiest one has no less.
    double of_chunks(std::size_t position) const { return in_parts(position) ? 1 : 1 / static_cast<double>(count(position)); }
    // Whether the size of a batch is known, so that it is known which of them are whose.
    bool by_batch() const { return batched_ && static_cast<std::size_t>(least_) == most_; }
    std::size_t batches_of(std::size_t position, std::size_t seat) const {
        const auto all = (run_.chunks + most_ - 1) / most_, step = in_parts(position) ? 1 : count(position);
        const auto first = in_parts(position) ? 0 : seat;
        return all > first ? (all - first + step - 1) / step : 0;
    }
    double chunks_of(std::size_t position, std::size_t seat) const {
        if (!by_batch()) return chunks_ * of_chunks(position);
        const auto all = (run_.chunks + most_ - 1) / most_, step = in_parts(position) ? 1 : count(position);
        const auto last = run_.chunks - (all - 1) * most_;  // chunks of the last batch
        const auto mine = batches_of(position, seat);
        const bool has_last = in_parts(position) || (all - 1) % step == seat;
        return static_cast<double>(mine * most_ - (has_last ? most_ - last : 0));
    }

    // The least that the way between two sets of places takes.
    double least_hop(const std::vector<std::size_t>& from, const std::vector<std::size_t>& to, std::uint64_t bytes) const {
        double least = never;
        for (const auto a : from)
            for (const auto b : to)
                least = std::min(least, a == b ? 0 : hop_s(pipeline_.places[a], pipeline_.places[b], bytes));
        return least;
    }

    std::vector<std::size_t> places(std::size_t station) const {  // 0: the input; behind all positions: the output
        if (station == 0) return {pipeline_.input_at};
        if (station > seating_.size()) return {pipeline_.output_at};
        std::vector<std::size_t> result;
        for (const auto& seat : seating_[station - 1])
            result.push_back(seat.board);
        return result;
    }

    std::uint64_t bytes_to(std::size_t position) const {
        const auto bytes = pipeline_.bytes_into(position);
        if (position == 0 || !in_parts(position - 1)) return bytes;
        return *std::ranges::min_element(pipeline_.positions[position - 1].parts);
    }

    bool loaded(const SlotKey& slot, std::size_t position) const {
        const auto held = run_.held_by({slot.first, slot.second});
        return held && held->position == position;
    }

    double reload_s(const SlotKey& slot, std::size_t position) const {
        return pipeline_.positions[position].on == Position::On::fabric ? pipeline_.places[slot.first].reload_s : 0;
    }

    // When a position can begin on one of its slots, if its first chunk is there at `arrival`.
    double begin_on(const SlotKey& slot, std::size_t position, double arrival) const {
        const auto& all = slots_.at(slot);
        const auto place = static_cast<std::size_t>(std::ranges::find(all, position) - all.begin());
        if (place == 0) return std::max(arrival, loaded(slot, position) ? 0 : reload_s(slot, position));
        const auto before = all[place - 1];
        const auto& position_before = pipeline_.positions[before];
        // A fabric is loaded when it is empty; a processor's turn begins when the last chunk before it is on its way.
        const bool loads = pipeline_.positions[position].on == Position::On::fabric;
        const auto had = begins_[before] + (least_ - 1) * position_before.interval_s +
                         (loads ? position_before.latency_s : position_before.interval_s);
        const bool same_batch = count(before) == 1 && count(position) == 1;
        return std::max(arrival, same_batch ? had + reload_s(slot, position) : reload_s(slot, position));
    }

    // The first and the last chunk along the path.
    void walk() {
        double arrival = 0, last = (chunks_ - 1) * run_.every_s;
        for (std::size_t i = 0; i < seating_.size(); ++i) {
            const auto& position = pipeline_.positions[i];
            const auto hop = least_hop(places(i), places(i + 1), bytes_to(i));
            arrival += hop;
            double begin = never;
            if (position.on == Position::On::relay) begin = arrival;
            else
                for (const auto& seat : seating_[i])
                    begin = std::min(begin, begin_on({seat.board, seat.slot}, i, arrival));
            begins_.push_back(begin);
            const auto all = std::max(0.0, chunks_ * of_chunks(i) - 1) * position.interval_s;
            last = std::max(begin + all + position.latency_s, last + hop + position.latency_s);
            arrival = begin + position.latency_s;
            done_.push_back(arrival);
        }
        behind_.assign(seating_.size() + 1, 0);  // of a chunk that a position has computed, until the result is there
        for (std::size_t i = seating_.size(); i-- > 0;)
            behind_[i] = least_hop(places(i + 1), places(i + 2), bytes_to(i + 1)) +
                         (i + 1 < seating_.size() ? pipeline_.positions[i + 1].latency_s + behind_[i + 1] : 0);
        last_done_ = last + (seating_.empty() ? 0 : behind_.at(seating_.size() - 1));
    }

    // How often a position that shares its slot is loaded at least: for each turn, or once where its turns may follow each other.
    std::size_t loads_of(std::size_t position, const std::vector<std::size_t>& on_slot) const {
        const bool alone = std::ranges::all_of(on_slot, [&](std::size_t i) { return in_parts(i) || count(i) == 1; });
        const auto on_fabric = std::ranges::count_if(on_slot, [&](std::size_t i) { return pipeline_.positions[i].on == Position::On::fabric; });
        return by_batch() && each_turn_ && alone && on_fabric > 1 ? batches_of(position, 0) : 1;
    }

    double slot_s(const SlotKey& slot, const std::vector<std::size_t>& positions) const {
        if (positions.size() > 1 && !by_batch() && std::ranges::any_of(positions, [&](std::size_t i) { return count(i) > 1; })) return 0;
        double work = 0, loads = 0, one_load = 0, begins = never, behind = never;
        for (const auto position : positions) {
            const auto seat = static_cast<std::size_t>(std::ranges::find(seating_[position], Seat{slot.first, slot.second}) - seating_[position].begin());
            const auto chunks = chunks_of(position, seat);
            if (!(chunks > 0)) continue;
            work += chunks * pipeline_.positions[position].interval_s;
            const auto load = positions.size() > 1 ? reload_s(slot, position) : 0;
            loads += static_cast<double>(loads_of(position, positions)) * load;
            one_load = std::max(one_load, load);
            begins = std::min(begins, begins_[position]);
            const auto& last = pipeline_.positions[position];
            behind = std::min(behind, last.latency_s - last.interval_s + behind_[position]);
        }
        // What has the first turn was loaded before it began.
        return begins == never ? 0 : begins + work + std::max(0.0, loads - one_load) + behind;
    }

    double carried_s(const std::vector<Share>& shares) const {
        double worst = 0;
        for (const auto& share : shares)
            if (share.seconds > 0) worst = std::max(worst, share.from + chunks_ * share.seconds + share.behind);
        for (std::size_t i = 0; i < seating_.size(); ++i) {
            if (count(i) < 2) continue;
            const auto all = places(i + 1);
            const std::set<std::size_t> together(all.begin(), all.end());
            Share sum;
            for (const auto place : together)
                sum.add(shares[place].seconds + shares[place].shared, false, shares[place].from, shares[place].behind);
            if (sum.seconds > 0)
                worst = std::max(worst, sum.from + chunks_ * sum.seconds / static_cast<double>(together.size()) + sum.behind);
        }
        return worst;
    }

    // What all hops cost the processors and ways at both ends.
    void carry() {
        processors_.resize(pipeline_.places.size());
        ways_in_.resize(pipeline_.places.size());
        ways_out_.resize(pipeline_.places.size());
        for (std::size_t i = 0; i < seating_.size(); ++i)
            if (pipeline_.positions[i].on == Position::On::processor)
                for (const auto& seat : seating_[i])
                    processors_[seat.board].add(pipeline_.positions[i].interval_s * of_chunks(i), count(i) > 1 && !in_parts(i), begins_[i], behind_[i]);
        for (std::size_t i = 0; i <= seating_.size(); ++i)
            hop(i);
    }

    void hop(std::size_t into) {
        const auto from = places(into), to = places(into + 1);
        const bool all_of = into > 0 && in_parts(into - 1), to_all = into < seating_.size() && in_parts(into);
        const bool split_from = from.size() > 1 && !all_of, split_to = to.size() > 1 && !to_all;
        const bool free_ones = std::ranges::any_of(from, [&](std::size_t a) { return std::ranges::find(to, a) != to.end(); });
        if (free_ones && (split_from || split_to)) return;  // it may be that all chunks stay on their boards
        const double pairs = (all_of ? 1 : static_cast<double>(from.size())) * (to_all ? 1 : static_cast<double>(to.size()));
        const auto bytes = bytes_to(into);
        // The client sends a chunk once, to who coordinates the run.
        const double copies = into == 0 && run_.ahead_bytes > 0 && to_all && pipeline_.input_at + 1 == pipeline_.places.size() ? static_cast<double>(to.size()) : 1;
        const double earliest = into == 0 ? 0 : done_[into - 1];
        const double after = into < seating_.size() ? pipeline_.positions[into].latency_s + behind_[into] : 0;
        for (const auto a : from)
            for (const auto b : to) {
                if (a == b) continue;
                const auto& sender = pipeline_.places[a];
                const auto& receiver = pipeline_.places[b];
                const auto out = splitter::wire_s(sender.way, bytes), in = splitter::wire_s(receiver.way, bytes);
                const auto latency = sender.way.latency_s + receiver.way.latency_s;
                const auto ahead = std::max(out, in) - in;
                const auto sent = host_s(sender, bytes), got = host_s(receiver, bytes);
                processors_[a].add(sent / pairs / copies, split_from, earliest, latency + std::max(out, in) + got + after);
                ways_out_[a].add(out / pairs / copies, split_from, earliest + sent, latency + std::max(out, in) - out + got + after);
                ways_in_[b].add(in / pairs, split_to, earliest + sent + latency + ahead, got + after);
                processors_[b].add(got / pairs, split_to, earliest + sent + latency + std::max(out, in), after);
            }
    }

    const Pipeline& pipeline_;
    const Seating& seating_;
    const Run& run_;
    const bool each_turn_;
    double chunks_ = 0, least_ = 0, last_done_ = 0;
    bool batched_ = false;  // replicas take the batches in turn; else the chunks as they come
    std::size_t most_ = 1;  // chunks of a batch
    std::map<SlotKey, std::vector<std::size_t>> slots_;  // positions, ascending
    std::vector<double> begins_, done_, behind_;         // by position
    std::vector<Share> processors_, ways_in_, ways_out_;
};

}  // namespace

double wall_bound_s(const Pipeline& pipeline, const Seating& seating, const Batches& batches, const Run& run) {
    return Bound(pipeline, seating, batches.least, batches.most, run, batches.each_turn_loads).value();
}

double period_s(const Simulated& simulated) {
    double longest = 0;
    for (const auto& busy : simulated.busy) {
        longest = std::max({longest, busy.processor, busy.way_in, busy.way_out});
        for (const auto seconds : busy.fabric)
            longest = std::max(longest, seconds);
    }
    return longest / static_cast<double>(simulated.delivered_s.size());
}

Limit limit_of(const Pipeline& pipeline, const Simulated& simulated) {
    Limit limit;
    const auto wall = simulated.wall_s();
    const auto take = [&](double seconds, const std::string& what) {
        if (seconds / wall > limit.share) limit = {what, seconds / wall};
    };
    for (std::size_t i = 0; i < pipeline.places.size(); ++i) {
        const auto& place = pipeline.places[i];
        const auto& busy = simulated.busy[i];
        const auto slots = static_cast<double>(std::max<std::size_t>(1, busy.fabric.size()));
        for (std::size_t slot = 0; slot < busy.fabric.size(); ++slot)
            take(busy.fabric[slot] + busy.reload / slots, fmt::format("the fabric of {}{}", place.name, busy.reload > 0 ? ", reloads included" : ""));
        take(busy.processor, "the processor of " + place.name);
        take(busy.way_in, "the network into " + place.name);
        take(busy.way_out, "the network out of " + place.name);
    }
    return limit;
}

}  // namespace fard::planner
