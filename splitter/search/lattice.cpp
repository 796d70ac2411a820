#include "splitter/search/lattice.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <numeric>

namespace fard::splitter {
namespace {

constexpr std::size_t most_points = 300'000;
constexpr std::size_t most_classes = 6;
constexpr std::size_t most_replicas = 64;
constexpr std::int32_t nowhere = -1;

}  // namespace

// Boards of one kind.
struct Lattice::Member {
    std::size_t kind = 0;  // in the space; means nothing once members are merged
    std::size_t capacity = 0;
    StageSolver* solver = nullptr;
    std::vector<PartedStage> parted;
    Resources usable;
    double clock_hz = 0, bytes_per_s = 0, host_s_per_chunk = 0, host_s_per_byte = 0, macs_per_s = 0;
    bool free_ways = false;
};

namespace {

template <typename Member>
std::size_t points(const std::vector<Member>& members) {
    std::size_t all = 1;
    for (const auto& member : members) {
        all *= member.capacity + 1;
        if (all > most_points) return most_points + 1;
    }
    return all;
}

// What either could do.
template <typename Member>
void merge(Member& into, const Member& from) {
    into.capacity += from.capacity;
    for (std::size_t i = 0; i < Resources::kinds; ++i)
        into.usable.of[i] = std::max(into.usable.of[i], from.usable.of[i]);
    into.clock_hz = std::max(into.clock_hz, from.clock_hz);
    into.bytes_per_s = std::max(into.bytes_per_s, from.bytes_per_s);
    into.host_s_per_chunk = std::min(into.host_s_per_chunk, from.host_s_per_chunk);
    into.host_s_per_byte = std::min(into.host_s_per_byte, from.host_s_per_byte);
    into.macs_per_s = std::max(into.macs_per_s, from.macs_per_s);
    into.free_ways |= from.free_ways;
    into.solver = nullptr;
}

}  // namespace

Lattice::~Lattice() = default;

Lattice::Lattice(Problem& problem) : problem_(problem) {
    for (std::size_t kind = 0; kind < problem.space.kinds.size(); ++kind) {
        const auto& own = problem.space.kinds[kind];
        const auto& board = problem.space.board(problem.cluster, kind);
        Member member{kind,
                      own.capacity,
                      &problem.solver(own.fabric),
                      problem.parted[own.fabric],
                      board.usable,
                      board.clock_hz,
                      board.way.bytes_per_s,
                      board.host_s_per_chunk,
                      board.host_s_per_byte,
                      board.macs_per_s,
                      false};
        members_.push_back(member);
        members_.back().capacity = own.boards.size();  // a board for one stage
        member.free_ways = own.tracked;
        relaxed_.push_back(member);
    }
    while (relaxed_.size() > 1 && points(relaxed_) > most_points) {
        std::ranges::sort(relaxed_, {}, [](const Member& m) { return m.usable.of[0]; });
        merge(relaxed_[0], relaxed_[1]);
        relaxed_.erase(relaxed_.begin() + 1);
    }
    for (auto& member : relaxed_)
        if (!member.solver) {
            member.solver = merged_.emplace_back(std::make_unique<StageSolver>(problem.network, member.usable)).get();
            if (problem.has_parts()) member.parted = parted_stages(problem.network, member.usable);
        }
}

bool Lattice::can_find() const {
    return points(members_) <= most_points;
}

// One period tried.
struct Lattice::Pass {
    Problem& problem;
    const std::vector<Member>& members;
    double period_s;
    bool relaxed;

    // So many boards of a member as replicas of a stage.
    struct Move {
        std::size_t member = 0, replicas = 0;  // or so many parts
        bool in_parts = false;
        std::size_t stride = 0;  // in the lattice
        std::size_t level = 0;   // class of the bytes that it may send or take
        bool ends = false;       // it may send the result
        bool begins = false;     // it may take the input
        const std::vector<std::size_t>* reach = nullptr;  // by cut, in a fabric
        std::vector<std::size_t> processor;  // by cut; empty: computes nothing
        std::int64_t limit = 0;
    };
    // How a point was reached at one class.
    struct Back {
        std::uint32_t point = 0;
        std::uint16_t move = 0;
        std::uint8_t level = 0;
        std::int32_t end = 0;  // the cut that the stage ends at
    };

    std::vector<Move> moves;
    std::deque<std::vector<std::size_t>> reach_in_parts;
    std::vector<double> levels;                     // ascending: the most bytes of each class
    std::vector<std::vector<std::int32_t>> before;  // by class and cut: the last cut not beyond it that the class may pass
    std::vector<std::int32_t> farthest;             // by point and class
    std::vector<Back> back;

    double most_bytes(const Member& member, double replicas) const {
        if (member.free_ways) return std::numeric_limits<double>::infinity();
        const auto time = period_s * replicas * (1 + 1e-12);
        const auto host = (relaxed ? time : time / 2) - member.host_s_per_chunk;
        if (host < 0) return -1;
        const auto by_host =
            member.host_s_per_byte > 0 ? host / member.host_s_per_byte : std::numeric_limits<double>::infinity();
        return std::min(by_host, time * member.bytes_per_s);
    }

    void make_moves() {
        const auto& cuts = problem.network.cuts;
        const auto largest = static_cast<double>(std::ranges::max(cuts, {}, &Cut::bytes).bytes);
        std::vector<double> thresholds;
        std::size_t stride = 1;
        for (std::size_t m = 0; m < members.size(); ++m) {
            const auto& member = members[m];
            for (std::size_t r = 1; r <= std::min(member.capacity, most_replicas); ++r) {
                Move move{m, r, false, stride * r};
                const auto cycles = period_s * member.clock_hz * static_cast<double>(r) * (1 + 1e-12);
                constexpr double most = 9e18;
                move.limit = static_cast<std::int64_t>(std::floor(std::min(cycles, most)));
                const auto& reach = member.solver->reach(move.limit);
                move.reach = relaxed ? &reach.possibly : &reach.surely;
                if (problem.on_processors && member.macs_per_s > 0) move.processor = processor_reach(member, r);
                const auto bytes = std::min(most_bytes(member, static_cast<double>(r)), largest);
                move.begins = static_cast<double>(cuts.front().bytes) <= bytes;
                move.ends = static_cast<double>(cuts.back().bytes) <= bytes;
                const bool better = moves.empty() || moves.back().member != m || thresholds.back() != bytes ||
                                  *moves.back().reach != *move.reach || moves.back().processor != move.processor;
                if (!better) continue;
                thresholds.push_back(bytes);
                moves.push_back(std::move(move));
            }
            make_moves_in_parts(m, stride, thresholds);
            stride *= member.capacity + 1;
        }
        make_levels(thresholds);
    }

    // A stage that begins at a cut where parts are offered, and ends at the next one.
    void make_moves_in_parts(std::size_t m, std::size_t stride, std::vector<double>& thresholds) {
        const auto& member = members[m];
        const auto& cuts = problem.network.cuts;
        const auto limit = static_cast<std::int64_t>(std::floor(std::min(period_s * member.clock_hz * (1 + 1e-12), 9e18)));
        for (std::size_t n = 2; n <= std::min(member.capacity, most_parts) && !member.parted.empty(); ++n) {
            Move move{m, n, true, stride * n};
            move.limit = limit;
            std::vector<std::size_t> reach(cuts.size());
            std::iota(reach.begin(), reach.end(), 0);
            bool any = false;
            for (const auto& stage : member.parted)
                if (stage.parts == n && stage.cycles <= limit) reach[stage.cut] = stage.cut + 1, any = true;
            if (!any) continue;
            move.reach = &reach_in_parts.emplace_back(std::move(reach));
            const auto bytes = relaxed ? std::numeric_limits<double>::infinity() : most_bytes(member, 1);
            move.begins = static_cast<double>(cuts.front().bytes) <= bytes;
            move.ends = static_cast<double>(cuts.back().bytes) <= bytes;
            thresholds.push_back(bytes);
            moves.push_back(std::move(move));
        }
    }

    std::vector<std::size_t> processor_reach(const Member& member, std::size_t replicas) const {
        const auto cuts = problem.network.cuts.size();
        const auto time = period_s * static_cast<double>(replicas) * (1 + 1e-12);
        const auto macs = (relaxed ? time : time / 2) * member.macs_per_s;
        std::vector<std::size_t> reach(cuts);
        std::size_t end = 0;
        for (std::size_t begin = 0; begin < cuts; ++begin) {
            end = std::max(end, begin);
            while (end + 1 < cuts && static_cast<double>(problem.macs(begin, end + 1)) <= macs)
                ++end;
            reach[begin] = end;
        }
        return reach;
    }

    // Thresholds matter by which cuts they let pass; with too many of them, neighbours become one.
    void make_levels(const std::vector<double>& thresholds) {
        const auto& cuts = problem.network.cuts;
        std::vector<double> bytes;
        for (std::size_t i = 1; i + 1 < cuts.size(); ++i)
            bytes.push_back(static_cast<double>(cuts[i].bytes));
        std::ranges::sort(bytes);
        const auto passing = [&](double most) {
            return static_cast<std::size_t>(std::ranges::upper_bound(bytes, most) - bytes.begin());
        };
        std::vector<std::size_t> counts;
        for (const auto threshold : thresholds)
            counts.push_back(passing(threshold));
        auto distinct = counts;
        std::ranges::sort(distinct);
        const auto rest = std::ranges::unique(distinct);
        distinct.erase(rest.begin(), rest.end());
        std::vector<std::size_t> kept;
        if (distinct.size() <= most_classes) {
            kept = distinct;
        } else {
            for (std::size_t i = 0; i < most_classes; ++i)
                kept.push_back(distinct[i * (distinct.size() - 1) / (most_classes - 1)]);
        }
        for (std::size_t i = 0; i < moves.size(); ++i) {
            const auto above = std::ranges::lower_bound(kept, counts[i]);
            auto level = static_cast<std::size_t>(above - kept.begin());
            if (!relaxed && *above != counts[i]) --level;
            moves[i].level = level;
        }
        for (const auto count : kept)
            levels.push_back(count == 0 ? -1 : bytes[count - 1]);
        before.assign(levels.size(), std::vector<std::int32_t>(cuts.size(), nowhere));
        for (std::size_t level = 0; level < levels.size(); ++level)
            for (std::size_t cut = 1; cut + 1 < cuts.size(); ++cut)
                before[level][cut] = static_cast<double>(cuts[cut].bytes) <= levels[level]
                                         ? static_cast<std::int32_t>(cut)
                                         : before[level][cut - 1];
    }

    std::size_t count_of(std::size_t point, std::size_t member) const {
        for (std::size_t m = 0; m < member; ++m)
            point /= members[m].capacity + 1;
        return point % (members[member].capacity + 1);
    }

    // From a cut with a move: the last cut it reaches.
    static std::size_t reached(const Move& move, std::size_t cut) {
        auto end = (*move.reach)[cut];
        if (!move.processor.empty()) end = std::max(end, move.processor[cut]);
        return end;
    }

    struct Goal {
        bool reached = false;
        std::uint32_t point = 0;  // before the last move
        std::uint16_t move = 0;
        std::uint8_t level = 0;
        std::size_t boards = std::numeric_limits<std::size_t>::max();
    };

    Goal run() {
        make_moves();
        Goal goal;
        const auto& cuts = problem.network.cuts;
        const auto client = period_s * (1 + 1e-12) * problem.cluster.client.bytes_per_s;
        const bool passes_in = problem.cluster.input_at || static_cast<double>(cuts.front().bytes) <= client;
        const bool passes_out = problem.cluster.output_at || static_cast<double>(cuts.back().bytes) <= client;
        if (!passes_in || !passes_out) return goal;
        const auto size = points(members), classes = levels.size();
        farthest.assign(size * classes, nowhere);
        back.assign(size * classes, {});
        std::vector<std::size_t> counts(members.size());
        for (std::size_t point = 0; point < size; ++point) {
            std::size_t boards = 0;
            for (std::size_t m = 0, rest = point; m < members.size(); ++m) {
                counts[m] = rest % (members[m].capacity + 1);
                rest /= members[m].capacity + 1;
                boards += counts[m];
            }
            for (std::size_t i = 0; i < moves.size(); ++i) {
                const auto& move = moves[i];
                if (counts[move.member] + move.replicas > members[move.member].capacity) continue;
                if (point != 0 || move.begins) step(point, i, boards, goal);
            }
            if (relaxed && goal.reached) return goal;
        }
        return goal;
    }

    void step(std::size_t point, std::size_t i, std::size_t boards, Goal& goal) {
        const auto& move = moves[i];
        const auto classes = levels.size();
        const auto from = point == 0 ? 0 : farthest[point * classes + move.level];
        if (from == nowhere) return;
        const auto end = reached(move, static_cast<std::size_t>(from));
        if (end == static_cast<std::size_t>(from)) return;
        const auto last = problem.network.cuts.size() - 1;
        if (end == last && move.ends && boards + move.replicas < goal.boards) {
            goal = {true, static_cast<std::uint32_t>(point), static_cast<std::uint16_t>(i),
                    static_cast<std::uint8_t>(move.level), boards + move.replicas};
        }
        const auto place = std::min(end, last - 1);
        auto* there = &farthest[(point + move.stride) * classes];
        for (std::size_t level = 0; level < classes; ++level) {
            const auto at = before[std::min(level, move.level)][place];
            if (at <= from || at <= there[level]) continue;
            there[level] = at;
            back[(point + move.stride) * classes + level] = {static_cast<std::uint32_t>(point), static_cast<std::uint16_t>(i),
                                                             static_cast<std::uint8_t>(move.level), at};
        }
    }

    std::optional<Plan> plan(const Goal& goal) {
        std::vector<Problem::Draft> drafts;
        auto end = static_cast<std::int32_t>(problem.network.cuts.size() - 1);
        Back step{goal.point, goal.move, goal.level, end};
        for (;;) {
            const auto& move = moves[step.move];
            const auto begin = step.point == 0 ? 0 : farthest[step.point * levels.size() + step.level];
            auto draft = stage(move, static_cast<std::size_t>(begin), static_cast<std::size_t>(step.end));
            if (!draft) return std::nullopt;
            drafts.push_back(std::move(*draft));
            if (step.point == 0) break;
            step = back[step.point * levels.size() + step.level];
        }
        std::ranges::reverse(drafts);
        return problem.plan_of(drafts);
    }

    std::optional<Problem::Draft> stage(const Move& move, std::size_t begin, std::size_t end) const {
        Problem::Draft draft{begin, end, end > (*move.reach)[begin], {}, std::vector<std::size_t>(problem.space.kinds.size())};
        draft.slots[members[move.member].kind] = move.replicas;
        if (move.in_parts) {
            const auto* part = problem.part_within(problem.space.kinds[members[move.member].kind].fabric, begin, move.replicas, move.limit);
            draft.parts = move.replicas;
            if (!part || end != begin + 1) return std::nullopt;
            draft.foldings = part->foldings;
            return draft;
        }
        if (draft.on_processor) return draft;
        const auto found = members[move.member].solver->fit(begin, end, move.limit);
        if (!found) return std::nullopt;
        draft.foldings = found->foldings;
        return draft;
    }
};

std::optional<Plan> Lattice::find(double period_s) {
    if (!can_find()) return std::nullopt;
    Pass pass{problem_, members_, period_s, false};
    const auto goal = pass.run();
    if (!goal.reached) return std::nullopt;
    return pass.plan(goal);
}

bool Lattice::refutes(double period_s) {
    if (points(relaxed_) > most_points) return false;
    Pass pass{problem_, relaxed_, period_s, true};
    return !pass.run().reached;
}

}  // namespace fard::splitter
