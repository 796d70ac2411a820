#include "planner/plan.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "planner/everything.hpp"
#include "splitter/report/explain.hpp"
#include "splitter/search/problem.hpp"
#include "splitter/search/space.hpp"

namespace fard::planner {
namespace {

using namespace splitter;

constexpr double never = std::numeric_limits<double>::infinity();
// So many plans are all tried, with the batch that is asked for or with each that might be the best.
constexpr std::size_t few_plans = 20'000, few_with_batches = 1'000;
// Stages for each slot, at most: as many as it takes of the second only where the first do not do.
constexpr std::size_t usual_rounds = 4, most_rounds = 16;

bool has_parts(const Network& network) {
    return std::ranges::any_of(network.layers, [](const Layer& layer) { return !layer.parts.empty(); });
}

std::size_t slots_of(const Plan& plan) {
    std::size_t slots = 0;
    for (const auto& stage : plan.stages)
        slots += stage.parts > 1 ? stage.parts : 1;
    return slots;
}

// Seats for a plan whose boards are meant: each board's slots in the order of the stages.
Seating seats_of(const Plan& plan) {
    std::vector<std::size_t> taken;
    Seating seating;
    for (const auto& stage : plan.stages) {
        auto& seats = seating.emplace_back();
        for (const auto board : stage.boards) {
            taken.resize(std::max(taken.size(), board + 1));
            seats.push_back({board, taken[board]++});
        }
    }
    return seating;
}

// Where a stage that was planned for one board may sit: any slot of the same fabric.
std::vector<std::vector<Seat>> allowed_for(const Cluster& cluster, const Cluster& planned_on, const Plan& plan) {
    std::vector<std::vector<Seat>> allowed;
    for (const auto& stage : plan.stages) {
        auto& seats = allowed.emplace_back();
        const auto& wanted = planned_on.boards[stage.boards.front()];
        for (std::size_t i = 0; i < cluster.boards.size(); ++i) {
            const auto& board = cluster.boards[i];
            if (!same_fabric(board, wanted) || (stage.on_processor && board.macs_per_s != wanted.macs_per_s)) continue;
            for (std::size_t slot = 0; slot < board.slots; ++slot)
                seats.push_back({i, slot});
        }
    }
    return allowed;
}

Planned planned_of(const Cluster& cluster, Plan stages, std::vector<StageCost> costs, Pipeline pipeline, Arranged arranged) {
    Planned planned;
    planned.stages = std::move(stages);
    planned.costs = std::move(costs);
    planned.pipeline = std::move(pipeline);
    planned.schedule = std::move(arranged.schedule);
    planned.simulated = std::move(arranged.simulated);
    planned.bound_s = arranged.bound_s;
    planned.limit = limit_of(planned.pipeline, planned.simulated);
    planned.energy_j = energy_j(planned.pipeline, planned.simulated);
    for (std::size_t i = 0; i < planned.stages.stages.size(); ++i) {
        auto& boards = planned.stages.stages[i].boards;
        boards.clear();
        for (const auto& seat : planned.schedule.positions[i].seats)
            boards.push_back(seat.board);
    }
    for (std::size_t i = 0; i < cluster.boards.size(); ++i)
        planned.schedule.boards[i] = cluster.boards[i].name;
    return planned;
}

// Boards that nothing but what they hold tells apart change places, so that who holds a stage already gets it.
void prefer_loaded(const Cluster& cluster, const Run& run, Plan& plan) {
    const Space space(cluster);
    for (std::size_t holder = 0; holder < run.loaded.size(); ++holder) {
        if (run.loaded[holder].empty() || !run.loaded[holder].front()) continue;
        const auto& wanted = plan.stages[run.loaded[holder].front()->position].boards;
        if (wanted.size() != 1 || wanted.front() == holder || space.kind_of[wanted.front()] != space.kind_of[holder]) continue;
        const auto other = wanted.front();
        for (auto& stage : plan.stages)
            for (auto& board : stage.boards)
                board = board == other ? holder : board == holder ? other : board;
    }
}

// A stage takes the slot of its board that holds it already.
void stay_where_loaded(const Run& run, Seating& seating) {
    for (std::size_t board = 0; board < run.loaded.size(); ++board)
        for (std::size_t slot = 0; slot < run.loaded[board].size(); ++slot) {
            const auto held = run.loaded[board][slot];
            if (!held) continue;
            auto& seats = seating[held->position];
            const auto mine = std::ranges::find(seats, board, &Seat::board);
            if (mine == seats.end() || std::ranges::find(seats, Seat{board, slot}) != seats.end()) continue;
            for (auto& others : seating)
                for (auto& seat : others)
                    if (seat == Seat{board, slot}) seat.slot = mine->slot;
            mine->slot = slot;
        }
}

// More slots of the same fabric for a stage; the emptiest board first.
Result<> add_replicas(const Cluster& cluster, PlannedStage& stage, std::size_t replicas, std::vector<std::size_t>& taken) {
    const auto wanted = cluster.boards[stage.boards.front()];
    while (stage.boards.size() < replicas) {
        std::optional<std::size_t> best;
        for (std::size_t i = 0; i < cluster.boards.size(); ++i)
            if (taken[i] < cluster.boards[i].slots && same_fabric(cluster.boards[i], wanted) && (!best || taken[i] < taken[*best])) best = i;
        if (!best)
            return fail(Fault::refused, "no slot is left for a replica of a stage on '{}': give more boards, or fewer replicas", wanted.name);
        stage.boards.push_back(*best);
        ++taken[*best];
    }
    return {};
}

class Search {
  public:
    Search(const Network& network, const Cluster& cluster, const Question& question, const Wish& wish)
        : network_(network), cluster_(cluster), question_(question), wish_(wish), slots_(slots_of(cluster)) {}

    Result<Planned> run() {
        if (!question_.only_turns && (!question_.stages || *question_.stages <= slots_))
            if (auto r = resident(); !r) return fail(r.error());
        if (!best_)
            if (auto r = by_turns(); !r) return fail(r.error());
        if (best_) return std::move(*best_);
        return tl::unexpected(error_);
    }

  private:
    std::vector<Strategy> strategies() const {
        if (question_.strategy) return {*question_.strategy};
        return {Strategy::throughput, Strategy::latency};
    }

    void note(const Error& error) {
        if (error_.message.empty() || error.message.find("no batch and window") != std::string::npos) error_ = error;
    }

    // Every stage on slots of its own, with replicas.
    Result<> resident() {
        for (const auto strategy : strategies()) {
            const auto found = search(network_, cluster_, {strategy, question_.stages, true, solvers_});
            if (!found) {
                if (found.error().fault != Fault::refused) return fail(found.error());
                note(found.error());
                continue;
            }
            auto pipeline = pipeline_of(network_, cluster_, found->plan, found->cost.stages);
            auto arranged = arrange_seated(pipeline, seats_of(found->plan), wish_);
            if (!arranged) {
                note(arranged.error());
                continue;
            }
            take(planned_of(cluster_, found->plan, found->cost.stages, std::move(pipeline), std::move(*arranged)));
        }
        return {};
    }

    Result<> by_turns() {
        if (auto r = without_replicas(); !r) return r;
        return best_ && replicas_may_help() ? relieve() : Result<>();
    }

    Result<> without_replicas() {
        if (!question_.strategy && !has_parts(network_))
            for (const auto beaten : {Beaten::kept, Beaten::left_out})
                if (const auto plans = every_plan(network_, cluster_, question_.stages, wish_.batch ? few_plans : few_with_batches, beaten))
                    return try_all(*plans, beaten == Beaten::kept);
        auto fewest = in_fewest_slots(network_, repeated(cluster_, usual_rounds));
        if (!fewest) fewest = in_fewest_slots(network_, repeated(cluster_, most_rounds));
        if (!fewest) {
            note({Fault::refused, "no plan fits"});
            return {};
        }
        const auto first = (slots_of(*fewest) + slots_ - 1) / slots_;
        const auto last = question_.stages ? (*question_.stages + slots_ - 1) / slots_ : std::max(first, usual_rounds);
        for (auto copies = first; copies <= last; ++copies) {
            const auto many = repeated(cluster_, copies);
            const auto most = std::min(copies * slots_, network_.cuts.size() - 1);
            const auto least = copies == first ? fewest->stages.size() : (copies - 1) * slots_ + 1;
            for (auto stages = question_.stages.value_or(least); stages <= most; ++stages) {
                for (const auto strategy : strategies())
                    if (auto r = propose(many, {strategy, stages, false, solvers_}); !r) return r;
                if (question_.stages) break;
            }
            if (best_ && copies > first) break;  // a round more is a reload more of every slot: two are seldom worth it
        }
        if (!best_) note({Fault::refused, "no plan fits"});
        return {};
    }

    Result<> try_all(const std::vector<Plan>& plans, bool everything) {
        if (plans.empty()) note({Fault::refused, "no plan fits"});
        all_tried_ = everything;
        for (const auto& plan : plans) {
            const auto many = repeated(cluster_, plan.stages.size());
            const auto cost = evaluate(network_, many, plan);
            if (!cost) return fail(cost.error());
            if (auto r = arrange_in_turns(many, plan, cost->stages); !r) return r;
        }
        if (!best_) return {};
        best_->everything = all_tried_ && !replicas_may_help();
        return {};
    }

    Result<> propose(const Cluster& many, const Request& request) {
        if (*request.stages > slots_of(many) || *request.stages > network_.cuts.size() - 1) return {};
        const auto found = search(network_, many, request);
        if (!found) {
            if (found.error().fault != Fault::refused) return fail(found.error());
            note(found.error());
            return {};
        }
        return arrange_in_turns(many, found->plan, found->cost.stages);
    }

    Result<> arrange_in_turns(const Cluster& many, const Plan& plan, const std::vector<StageCost>& costs) {
        auto pipeline = pipeline_of(network_, cluster_, plan, costs);
        const auto better_than = best_ ? best_->simulated.wall_s() : never;
        const auto allowed = allowed_for(cluster_, many, plan);
        auto arranged = arrange(pipeline, allowed, wish_, better_than, &all_tried_);
        if (!arranged) {
            if (arranged.error().fault != Fault::refused) return fail(arranged.error());
            note(arranged.error());
            return {};
        }
        if (!*arranged) return {};
        take(planned_of(cluster_, plan, costs, std::move(pipeline), std::move(**arranged)));
        allowed_ = allowed;
        return {};
    }

    // One batch is one replica's; so are all where a position has one slot.
    bool replicas_may_help() const {
        const bool several = std::ranges::any_of(allowed_, [](const std::vector<Seat>& seats) { return seats.size() > 1; });
        return several && (!wish_.batch || *wish_.batch < wish_.run.chunks);
    }

    // A replica more for one position after the other of the slot that is at work the longest, as long as the run gets shorter.
    Result<> relieve() {
        for (bool better = true; better;) {
            better = false;
            for (const auto position : busiest()) {
                auto pipeline = best_->pipeline;
                if (!pipeline.positions[position].parts.empty() || pipeline.positions[position].replicas >= allowed_[position].size()) continue;
                ++pipeline.positions[position].replicas;
                auto arranged = arrange(pipeline, allowed_, wish_, best_->simulated.wall_s());
                if (!arranged && arranged.error().fault != Fault::refused) return fail(arranged.error());
                if (!arranged || !*arranged) continue;
                best_ = planned_of(cluster_, best_->stages, best_->costs, std::move(pipeline), std::move(**arranged));
                better = true;
                break;
            }
        }
        return {};
    }

    // The positions of the slot that computes and is loaded the longest, the slowest first.
    std::vector<std::size_t> busiest() const {
        const auto& schedule = best_->schedule;
        const auto& positions = best_->pipeline.positions;
        std::map<std::pair<std::size_t, std::size_t>, std::pair<double, std::vector<std::size_t>>> slots;
        for (std::size_t i = 0; i < positions.size(); ++i)
            for (const auto& seat : schedule.positions[i].seats) {
                auto& [work, there] = slots[{seat.board, seat.slot}];
                work += positions[i].interval_s / static_cast<double>(positions[i].parts.empty() ? positions[i].replicas : 1);
                there.push_back(i);
            }
        auto longest = std::ranges::max_element(slots, {}, [](const auto& slot) { return slot.second.first; })->second.second;
        std::ranges::stable_sort(longest, std::greater<>(), [&](std::size_t i) { return positions[i].interval_s; });
        return longest;
    }

    void take(Planned planned) {
        if (!best_ || planned.simulated.wall_s() < best_->simulated.wall_s()) best_ = std::move(planned);
    }

    const Network& network_;
    const Cluster& cluster_;
    const Question& question_;
    const Wish& wish_;
    std::size_t slots_;
    Solvers own_solvers_;
    Solvers* solvers_ = question_.solvers ? question_.solvers : &own_solvers_;
    std::optional<Planned> best_;
    std::vector<std::vector<Seat>> allowed_;  // in turns, of the best
    bool all_tried_ = false;
    Error error_{Fault::refused, ""};
};

}  // namespace

Cluster repeated(const Cluster& cluster, std::size_t copies) {
    auto many = cluster;
    many.boards.clear();
    for (std::size_t copy = 0; copy < copies; ++copy)
        many.boards.insert(many.boards.end(), cluster.boards.begin(), cluster.boards.end());
    return many;
}

Result<Planned> plan_stages(const Network& network, const Cluster& cluster, const Plan& stages, const Wish& wish) {
    std::size_t wanted = 0;
    for (const auto& stage : stages.stages)
        wanted += stage.boards.size();
    const bool resident = wanted <= slots_of(cluster);
    const auto many = resident ? cluster : repeated(cluster, (wanted + slots_of(cluster) - 1) / slots_of(cluster));
    const auto cost = evaluate(network, many, stages);
    if (!cost) return fail(cost.error());
    auto pipeline = pipeline_of(network, cluster, stages, cost->stages);
    if (resident) {
        auto seated = stages;
        prefer_loaded(cluster, wish.run, seated);
        auto seats = seats_of(seated);
        stay_where_loaded(wish.run, seats);
        keep_loaded(pipeline, wish.run, seats);
        auto arranged = arrange_seated(pipeline, seats, wish);
        if (!arranged) return fail(arranged.error());
        return planned_of(cluster, std::move(seated), cost->stages, std::move(pipeline), std::move(*arranged));
    }
    auto arranged = arrange(pipeline, allowed_for(cluster, many, stages), wish, never);
    if (!arranged) return fail(arranged.error());
    return planned_of(cluster, stages, cost->stages, std::move(pipeline), std::move(**arranged));
}

Result<Planned> plan_cuts(const Network& network, const Cluster& cluster, const std::vector<std::size_t>& replicas, const Wish& wish) {
    const auto slots = slots_of(cluster);
    const auto copies = (std::accumulate(replicas.begin(), replicas.end(), std::size_t{0}) + slots - 1) / slots;
    const auto many = repeated(cluster, copies);
    auto found = search(network, many, {Strategy::throughput, replicas.size()});
    if (!found) return fail(found.error());
    std::vector<std::size_t> taken(many.boards.size());
    for (auto& stage : found->plan.stages) {  // one of each first, so that replicas take what is left
        stage.boards.resize(1);
        ++taken[stage.boards.front()];
    }
    for (std::size_t i = 0; i < replicas.size(); ++i)
        if (auto r = add_replicas(many, found->plan.stages[i], replicas[i], taken); !r) return fail(r.error());
    return plan_stages(network, cluster, found->plan, wish);
}

Result<Planned> plan_network(const Network& network, const Cluster& cluster, const Question& question, const Wish& wish) {
    if (auto r = check_network(network); !r) return fail(r.error());
    if (cluster.boards.empty()) return fail(Fault::invalid_input, "there are no boards to plan for");
    return Search(network, cluster, question, wish).run();
}

}  // namespace fard::planner
