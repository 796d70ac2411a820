#include "planner/arrange.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>

namespace fard::planner {
namespace {

constexpr std::size_t few = 8;  // chunks
constexpr std::size_t most_seatings = 20'000, drawn_seatings = 2'000, most_orders = 400;
constexpr double never = std::numeric_limits<double>::infinity();

std::size_t chunks_in(std::uint64_t budget, std::uint64_t bytes) {
    return std::max<std::size_t>(1, static_cast<std::size_t>(budget / std::max<std::uint64_t>(1, bytes)));
}

std::uint64_t largest_end(const Pipeline& pipeline) {
    return std::max(pipeline.bytes_into(0), pipeline.bytes_out);
}

std::size_t window_of(const Pipeline& pipeline, const Wish& wish, std::size_t batch) {
    if (wish.window) return *wish.window;
    return std::max(2 * batch, chunks_in(wish.window_bytes, largest_end(pipeline)));
}

std::vector<std::string> names_of(const Pipeline& pipeline) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i + 1 < pipeline.places.size(); ++i)
        names.push_back(pipeline.places[i].name);
    return names;
}

std::map<std::pair<std::size_t, std::size_t>, std::vector<std::size_t>> by_slot(const Seating& seating) {
    std::map<std::pair<std::size_t, std::size_t>, std::vector<std::size_t>> slots;
    for (std::size_t i = 0; i < seating.size(); ++i)
        for (const auto& seat : seating[i])
            slots[{seat.board, seat.slot}].push_back(i);
    return slots;
}

// The turns of a round, which is as many batches as it takes until each replica has had its own.
enum class Round {
    by_batch,     // and of one batch by position, so that none waits for a later one
    by_position,  // all of its batches, so that what replicas need is there for all of them at once; there must be room for a round
    of_run,       // so, but the run is one round: each replica is loaded once
};

constexpr std::size_t most_of_run = 64;  // batches

std::size_t replicas_of(const Pipeline& pipeline, const Seating& seating, std::size_t position) {
    return pipeline.positions[position].parts.empty() ? seating[position].size() : 1;
}

std::size_t batches_of(const Pipeline& pipeline, const Seating& seating, const std::vector<std::size_t>& positions) {
    constexpr std::size_t most = 4096;
    std::size_t batches = 1;
    for (const auto position : positions)
        batches = std::min(most, std::lcm(batches, replicas_of(pipeline, seating, position)));
    return batches;
}

std::vector<std::size_t> round_of(const Pipeline& pipeline, const Seating& seating, const Seat& slot, const std::vector<std::size_t>& positions,
                                  std::size_t batches, Round round) {
    std::vector<std::size_t> order;
    const auto put = [&](std::size_t position, std::size_t batch) {
        const auto replicas = replicas_of(pipeline, seating, position);
        const auto mine = static_cast<std::size_t>(std::ranges::find(seating[position], slot) - seating[position].begin());
        if (replicas == 1 || batch % replicas == mine) order.push_back(position);
    };
    if (round == Round::by_batch) {
        for (std::size_t batch = 0; batch < batches; ++batch)
            for (const auto position : positions)
                put(position, batch);
        return order;
    }
    for (const auto position : positions)
        for (std::size_t batch = 0; batch < batches; ++batch)
            put(position, batch);
    return order;
}

// What waits for a batch has room for two where the board
// has the memory, so that the next one arrives while this one is computed.
Schedule schedule_of(const Pipeline& pipeline, const Seating& seating, const Wish& wish, std::size_t batch, std::size_t window,
                     Round round = Round::by_batch) {
    Schedule schedule;
    schedule.batch = batch;
    schedule.window = window;
    schedule.boards = names_of(pipeline);
    const auto slots = by_slot(seating);
    bool turns = false;
    for (const auto& [slot, positions] : slots)
        turns |= positions.size() > 1;
    std::vector<std::size_t> all(seating.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    const auto batches = round == Round::of_run ? (wish.run.chunks + batch - 1) / batch : batches_of(pipeline, seating, all);
    const bool by_position = round != Round::by_batch;
    std::vector<std::uint64_t> bytes(pipeline.places.size());
    for (std::size_t i = 0; i < seating.size(); ++i) {
        // A link lets a chunk come in while another one is computed, whatever its budget.
        Placed placed{seating[i], std::max<std::size_t>(2, chunks_in(wish.link_bytes, pipeline.bytes_into(i))), Staging::next};
        if (turns) placed.room = std::max((by_position ? std::max<std::size_t>(2, batches) : 2) * batch, placed.room);
        for (const auto& seat : seating[i])
            bytes[seat.board] += placed.room * pipeline.bytes_into(i);
        schedule.positions.push_back(std::move(placed));
    }
    for (auto& placed : schedule.positions)
        for (const auto& seat : placed.seats)
            if (turns && bytes[seat.board] > wish.board_bytes) placed.room = batch;
    for (const auto& [slot, positions] : slots)
        if (positions.size() > 1) {
            const auto own = by_position ? batches : batches_of(pipeline, seating, positions);
            schedule.turns.push_back({{slot.first, slot.second}, round_of(pipeline, seating, {slot.first, slot.second}, positions, own, round)});
        }
    return schedule;
}

bool memory_holds(const Pipeline& pipeline, const Schedule& schedule, const Wish& wish) {
    std::vector<std::uint64_t> bytes(pipeline.places.size());
    for (std::size_t i = 0; i < schedule.positions.size(); ++i)
        for (const auto& seat : schedule.positions[i].seats)
            bytes[seat.board] += schedule.positions[i].room * pipeline.bytes_into(i);
    return std::ranges::all_of(bytes, [&](std::uint64_t all) { return all <= wish.board_bytes; });
}

// Every order of the turns of one slot in which no position overtakes the one before it: a run of few turns as a whole.
void orders_of(const std::vector<std::size_t>& positions, std::size_t turns, std::vector<std::size_t>& now,
               std::vector<std::size_t>& had, std::vector<std::vector<std::size_t>>& out) {
    if (out.size() > most_orders) return;
    if (now.size() == positions.size() * turns) return out.push_back(now);
    for (std::size_t i = 0; i < positions.size(); ++i) {
        if (had[i] == turns || (i > 0 && had[i] >= had[i - 1])) continue;
        ++had[i];
        now.push_back(positions[i]);
        orders_of(positions, turns, now, had, out);
        now.pop_back();
        --had[i];
    }
}

bool has_replicas(const Seating& seating, const Pipeline& pipeline) {
    for (std::size_t i = 0; i < seating.size(); ++i)
        if (pipeline.positions[i].parts.empty() && seating[i].size() > 1) return true;
    return false;
}

class Arranger {
  public:
    Arranger(const Pipeline& pipeline, const std::vector<std::vector<Seat>>& allowed, const Wish& wish, double better_than)
        : pipeline_(pipeline), allowed_(allowed), wish_(wish), best_s_(better_than) {}

    Result<std::optional<Arranged>> run(bool* all_tried) {
        seat({});
        seated_all_ = complete_;
        if (!seated_all_) draw_seatings();
        if (seatings_.empty()) return no_seats();
        for (auto& seating : seatings_)
            keep_loaded(pipeline_, wish_.run, seating);
        std::vector<Candidate> candidates;
        for (std::size_t i = 0; i < seatings_.size(); ++i)
            for (const auto batch : batches())
                candidates.push_back({wall_bound_s(pipeline_, seatings_[i], {batch, batch, each_turn_loads(seatings_[i], batch)}, wish_.run), i, batch});
        std::ranges::stable_sort(candidates, {}, &Candidate::bound_s);
        const auto bound = lower_bound();
        for (const auto& candidate : candidates) {
            if (candidate.bound_s >= best_s_) break;
            if (tried_ >= wish_.tries) {
                complete_ = false;
                break;
            }
            if (auto r = measure(candidate); !r) return fail(r.error());
        }
        if (auto r = reorder(); !r) return fail(r.error());
        if (all_tried) *all_tried &= complete_;
        if (!best_) {
            if (wish_.latency_s && least_latency_s_ < never)
                return fail(Fault::refused, "no batch and window keep {:.4g} ms for each chunk; the least found is {:.4g} ms",
                            *wish_.latency_s * 1e3, least_latency_s_ * 1e3);
            return std::optional<Arranged>();
        }
        best_->bound_s = bound;
        best_->all_tried = complete_;
        return std::move(best_);
    }

  private:
    struct Candidate {
        double bound_s = 0;
        std::size_t seating = 0, batch = 0;
    };

    tl::unexpected<Error> no_seats() const {
        for (std::size_t i = 0; i < allowed_.size(); ++i) {
            if (allowed_[i].empty()) return fail(Fault::refused, "no slot holds position {}", i);
            if (!is_parted(i) && allowed_[i].size() < seats_of(i))
                return fail(Fault::refused, "position {} has {} replicas and {} slots to be on: two of them on one slot would compute no more than one",
                            i, seats_of(i), allowed_[i].size());
        }
        return fail(Fault::refused, "no slot holds position 0");
    }

    // The positions that a board holds at the beginning, by slot.
    std::vector<std::optional<Held>> held_by(std::size_t board) const {
        auto held = board < wish_.run.loaded.size() ? wish_.run.loaded[board] : std::vector<std::optional<Held>>();
        while (!held.empty() && !held.back())
            held.pop_back();
        return held;
    }

    bool alike(std::size_t a, std::size_t b) const {
        const auto &one = pipeline_.places[a], &other = pipeline_.places[b];
        const auto ends = [&](std::size_t place) { return place == pipeline_.input_at || place == pipeline_.output_at; };
        return held_by(a) == held_by(b) && !ends(a) && !ends(b) && one.way.bytes_per_s == other.way.bytes_per_s &&
               one.way.latency_s == other.way.latency_s && one.host_s_per_chunk == other.host_s_per_chunk &&
               one.host_s_per_byte == other.host_s_per_byte && one.reload_s == other.reload_s && one.slots == other.slots;
    }

    bool is_parted(std::size_t position) const { return !pipeline_.positions[position].parts.empty(); }
    std::size_t seats_of(std::size_t position) const { return pipeline_.positions[position].jobs(); }
    // Of one position at a slot.
    std::size_t most_at_slot(std::size_t position) const {
        const auto slots = std::max<std::size_t>(1, allowed_[position].size());
        return is_parted(position) ? (seats_of(position) + slots - 1) / slots : 1;
    }

    // All seatings, but for boards that nothing tells apart.
    void seat(Seating now) {
        if (seatings_.size() >= most_seatings) {
            complete_ = false;
            return;
        }
        if (now.size() == allowed_.size()) {
            seatings_.push_back(std::move(now));
            return;
        }
        now.emplace_back();
        seat_last(now, 0);
    }

    // The last position of these on slots from `from` on: one, or one for each part or replica.
    void seat_last(const Seating& now, std::size_t from) {
        const auto position = now.size() - 1;
        if (now.back().size() == seats_of(position)) return seat(now);
        std::set<std::size_t> used;
        for (const auto& seats : now)
            for (const auto& seat : seats)
                used.insert(seat.board);
        std::vector<std::size_t> fresh;  // boards that were tried in the place of others like them
        for (auto number = from; number < allowed_[position].size(); ++number) {
            const auto& choice = allowed_[position][number];
            if (!used.contains(choice.board)) {
                const bool tried = std::ranges::any_of(fresh, [&](std::size_t other) {
                    return other != choice.board && alike(other, choice.board) && same_allowed(other, choice.board);
                });
                if (tried) continue;
                fresh.push_back(choice.board);
            }
            auto next = now;
            next.back().push_back(choice);
            const auto there = static_cast<std::size_t>(std::ranges::count(next.back(), choice));
            seat_last(next, there < most_at_slot(position) ? number : number + 1);
        }
    }

    // Some of too many: each position on the slots that the fewest have, of these on any.
    void draw_seatings() {
        seatings_.clear();
        std::mt19937 random(1);
        std::set<std::vector<std::size_t>> known;
        for (std::size_t i = 0; i < drawn_seatings; ++i) {
            Seating seating;
            std::map<std::pair<std::size_t, std::size_t>, std::size_t> taken;
            std::vector<std::size_t> word;
            for (std::size_t position = 0; position < allowed_.size(); ++position) {
                auto seats = allowed_[position];
                std::ranges::shuffle(seats, random);
                std::ranges::stable_sort(seats, {}, [&](const Seat& seat) { return taken[{seat.board, seat.slot}]; });
                if (seats.size() * most_at_slot(position) < seats_of(position)) return;
                for (std::size_t next = 0; seats.size() < seats_of(position); ++next)
                    seats.push_back(seats[next]);
                seats.resize(seats_of(position));
                for (const auto& seat : seats) {
                    ++taken[{seat.board, seat.slot}];
                    word.insert(word.end(), {seat.board, seat.slot});
                }
                seating.push_back(std::move(seats));
            }
            if (known.insert(std::move(word)).second) seatings_.push_back(std::move(seating));
        }
    }

    bool same_allowed(std::size_t a, std::size_t b) const {
        return std::ranges::all_of(allowed_, [&](const std::vector<Seat>& seats) {
            const auto has = [&](std::size_t board) {
                return std::ranges::any_of(seats, [&](const Seat& seat) { return seat.board == board; });
            };
            return has(a) == has(b);
        });
    }

    std::size_t most_batch() const {
        auto most = wish_.run.chunks;
        if (wish_.window) most = std::min(most, *wish_.window);
        return std::max<std::size_t>(1, most);
    }

    std::vector<std::size_t> batches() const {
        if (wish_.batch) return {std::min({*wish_.batch, most_batch()})};
        std::set<std::size_t> sizes;
        const auto most = most_batch();
        for (const std::size_t turns : {1, 2, 3, 4, 6, 8, 16, 32})
            sizes.insert((most + turns - 1) / turns);
        for (const std::size_t size : {1, 2, 3, 4, 5, 6, 7, 8, 64, 256, 1024, 4096})
            if (size <= most && (size > few || most <= few)) sizes.insert(size);  // of few chunks, all sizes
        return {sizes.rbegin(), sizes.rend()};
    }

    double lower_bound() const {
        const auto sizes = batches();
        double least = never;
        for (const auto& seating : seatings_)
            for (std::size_t i = 0; i < sizes.size(); ++i) {
                // Whatever lies between two sizes, so that sizes that were not tried are covered too.
                const auto smaller = wish_.batch ? sizes[i] : i + 1 < sizes.size() ? sizes[i + 1] : 1;
                least = std::min(least, wall_bound_s(pipeline_, seating, {smaller, sizes[i], wish_.batch && each_turn_loads(seating, sizes[i])}, wish_.run));
            }
        return seated_all_ ? least : least_work();
    }

    // Of all slots together, and of one position.
    double least_work() const {
        std::set<std::pair<std::size_t, std::size_t>> slots;
        double sum = 0, longest = 0;
        for (std::size_t i = 0; i < allowed_.size(); ++i) {
            for (const auto& seat : allowed_[i])
                slots.emplace(seat.board, seat.slot);
            const auto work = static_cast<double>(wish_.run.chunks) * pipeline_.positions[i].interval_s;
            sum += work * static_cast<double>(is_parted(i) ? seats_of(i) : 1);
            longest = std::max(longest, work / static_cast<double>(is_parted(i) ? 1 : seats_of(i)));
        }
        return std::max(longest, sum / static_cast<double>(slots.size()));
    }

    std::vector<std::size_t> windows(std::size_t batch) const {
        const auto window = window_of(pipeline_, wish_, batch);
        if (!wish_.latency_s || wish_.window) return {window};
        std::vector<std::size_t> result;
        for (auto size = std::min(window, wish_.run.chunks); size > batch; size /= 2)
            result.push_back(size);
        result.push_back(batch);
        return result;
    }

    // Each replica has a turn in it, and they are not too many.
    bool may_be_one_round(const Seating& seating, std::size_t batches) const {
        std::size_t most = 1;
        for (std::size_t i = 0; i < seating.size(); ++i)
            most = std::max(most, replicas_of(pipeline_, seating, i));
        return batches >= most && batches <= most_of_run;
    }

    Result<> measure(const Candidate& candidate) {
        const auto& seating = seatings_[candidate.seating];
        for (const auto window : windows(candidate.batch))
            for (const auto round : {Round::by_batch, Round::by_position, Round::of_run}) {
                if (round != Round::by_batch && !has_replicas(seating, pipeline_)) continue;
                if (round == Round::of_run && !may_be_one_round(seating, turns_of(candidate.batch))) continue;
                auto schedule = schedule_of(pipeline_, seating, wish_, candidate.batch, window, round);
                if (!memory_holds(pipeline_, schedule, wish_)) continue;
                const auto wall = try_one(schedule);
                if (!wall) return fail(wall.error());
                if (orders_are_tried(seating, schedule.batch) && !schedule.turns.empty()) few_turns_.push_back({*wall, candidate.bound_s, std::move(schedule)});
            }
        return {};
    }

    // The best first, so that what is behind them may be passed over.
    Result<> reorder() {
        std::ranges::stable_sort(few_turns_, {}, &FewTurns::wall_s);
        tried_ = 0;
        for (const auto& one : few_turns_) {
            if (one.bound_s >= best_s_) continue;
            if (tried_ >= wish_.tries) {
                complete_ = false;
                return {};
            }
            if (auto r = other_orders(one.schedule); !r) return r;
        }
        return {};
    }

    std::size_t turns_of(std::size_t batch) const { return (wish_.run.chunks + batch - 1) / batch; }
    bool orders_are_tried(const Seating& seating, std::size_t batch) const {
        return turns_of(batch) >= 2 && turns_of(batch) <= 4 && !has_replicas(seating, pipeline_);
    }

    // With replicas a round may have several turns of a position, whether it is one of those or not.
    bool each_turn_loads(const Seating& seating, std::size_t batch) const {
        return !orders_are_tried(seating, batch) && !has_replicas(seating, pipeline_);
    }

    // Where a run has few turns, all orders of them.
    Result<> other_orders(const Schedule& schedule) {
        const auto turns = turns_of(schedule.batch);
        std::vector<std::vector<std::vector<std::size_t>>> orders;  // by slot with turns
        std::size_t count = 1;
        for (const auto& slot : schedule.turns) {
            std::vector<std::size_t> now, had(slot.order.size());
            orders_of(slot.order, turns, now, had, orders.emplace_back());
            count *= orders.back().size();
            if (count > most_orders) {
                complete_ = false;
                return {};
            }
        }
        auto other = schedule;
        for (std::size_t number = 0; number < count && tried_ < wish_.tries; ++number) {
            auto rest = number;
            for (std::size_t i = 0; i < orders.size(); ++i) {
                other.turns[i].order = orders[i][rest % orders[i].size()];
                rest /= orders[i].size();
            }
            if (auto r = try_one(other); !r) return fail(r.error());
        }
        if (tried_ >= wish_.tries) complete_ = false;
        return {};
    }

    // Its wall; for ever, where it stands still.
    Result<double> try_one(const Schedule& schedule) {
        ++tried_;
        auto done = simulate(pipeline_, schedule, wish_.run);
        if (!done) return done.error().fault == Fault::refused ? Result<double>(never) : fail(done.error());
        const auto wall_s = done->wall_s();
        if (wish_.latency_s) {
            const auto longest = *std::ranges::max_element(done->latency_s);
            least_latency_s_ = std::min(least_latency_s_, longest);
            if (longest > *wish_.latency_s) return wall_s;
        }
        if (wall_s >= best_s_) return wall_s;
        best_s_ = wall_s;
        best_ = Arranged{schedule, std::move(*done)};
        return wall_s;
    }

    struct FewTurns {  // a schedule of which all orders can be tried
        double wall_s = 0, bound_s = 0;
        Schedule schedule;
    };

    const Pipeline& pipeline_;
    const std::vector<std::vector<Seat>>& allowed_;
    const Wish& wish_;
    double best_s_, least_latency_s_ = never;
    std::vector<Seating> seatings_;
    std::vector<FewTurns> few_turns_;
    std::optional<Arranged> best_;
    std::size_t tried_ = 0;
    bool seated_all_ = true, complete_ = true;  // all seatings are known; nothing that might be better was left out
};

}  // namespace

void keep_loaded(const Pipeline& pipeline, const Run& run, Seating& seating) {
    for (std::size_t position = 0; position < seating.size(); ++position) {
        auto& seats = seating[position];
        if (pipeline.positions[position].parts.empty()) continue;
        for (std::size_t part = 0; part < seats.size(); ++part)
            for (std::size_t other = 0; other < seats.size(); ++other)
                if (run.held_by(seats[other]) == Held(position, part) && run.held_by(seats[part]) != Held(position, part))
                    std::swap(seats[part], seats[other]);
    }
}

std::size_t tries_for(std::size_t chunks, std::size_t positions) {
    constexpr std::size_t most_steps = 1'000'000, fewest = 4, most = 200;  // steps: chunks at positions, of all simulations
    return std::clamp(most_steps / std::max<std::size_t>(1, chunks * positions), fewest, most);
}

Result<std::optional<Arranged>> arrange(const Pipeline& pipeline, const std::vector<std::vector<Seat>>& allowed, const Wish& wish,
                                        double better_than, bool* all_tried) {
    return Arranger(pipeline, allowed, wish, better_than).run(all_tried);
}

Result<Arranged> arrange_seated(const Pipeline& pipeline, const Seating& seating, const Wish& wish) {
    const auto batch = std::min(wish.batch.value_or(wish.run.chunks), wish.run.chunks);
    std::optional<Arranged> best;
    double least_s = never;
    auto window = wish.window.value_or(std::min(window_of(pipeline, wish, 1), std::max<std::size_t>(1, wish.run.chunks)));
    for (; window > 0; window = wish.latency_s && !wish.window ? window / 2 : 0) {
        const auto schedule = schedule_of(pipeline, seating, wish, std::max<std::size_t>(1, batch), window);
        auto done = simulate(pipeline, schedule, wish.run);
        if (!done) return fail(done.error());
        const auto longest = *std::ranges::max_element(done->latency_s);
        least_s = std::min(least_s, longest);
        if (wish.latency_s && longest > *wish.latency_s) continue;
        if (!best || done->wall_s() < best->simulated.wall_s()) best = Arranged{schedule, std::move(*done)};
    }
    if (!best)
        return fail(Fault::refused, "no window keeps {:.4g} ms for each chunk; the least found is {:.4g} ms", *wish.latency_s * 1e3, least_s * 1e3);
    best->bound_s = wall_bound_s(pipeline, seating, {batch, batch, true}, wish.run);
    return std::move(*best);
}

}  // namespace fard::planner
