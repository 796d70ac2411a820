#include <algorithm>
#include <map>

#include "splitter/cost/plan.hpp"

namespace fard::splitter {
namespace {

class Evaluator {
  public:
    Evaluator(const Network& network, const Cluster& cluster, const Plan& plan, std::optional<std::size_t> batch)
        : network_(network),
          cluster_(cluster),
          plan_(plan),
          client_(cluster.boards.size()),
          batch_(batch),
          processor_(client_ + 1),
          way_in_(client_ + 1),
          way_out_(client_ + 1),
          computing_(client_ + 1),
          on_ways_(client_ + 1),
          loading_(client_ + 1),
          slots_(client_),
          held_(client_) {}

    Result<Evaluation> evaluate() {
        if (auto r = check_cuts(); !r) return fail(r.error());
        for (std::size_t i = 0; i < plan_.stages.size(); ++i)
            if (auto r = stage(i); !r) return fail(r.error());
        const std::vector<std::size_t> source{cluster_.input_at.value_or(client_)};
        const std::vector<std::size_t> sink{cluster_.output_at.value_or(client_)};
        Party from{&source};
        std::size_t round = 0;
        for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
            const auto& next = plan_.stages[i];
            const Party to{&next.boards, next.parts};
            result_.stages[i].arrive_s = hand_on(from, to, network_.cuts[next.begin].bytes);
            if (round + 1 < result_.rounds.size() && result_.rounds[round + 1].first == i) end_round(round++);
            work(i);
            from = to;
        }
        result_.deliver_s = hand_on(from, {&sink}, network_.cuts.back().bytes);
        end_round(round);
        sum_up();
        return std::move(result_);
    }

  private:
    Result<> check_cuts() const {
        std::size_t at = 0;
        for (const auto& stage : plan_.stages) {
            if (stage.begin != at || stage.end <= at || stage.end >= network_.cuts.size())
                return fail(Fault::refused, "the stages of the plan do not follow each other at the network's cuts");
            at = stage.end;
        }
        if (plan_.stages.empty() || at + 1 != network_.cuts.size())
            return fail(Fault::refused, "the stages of the plan do not hold the whole network");
        return {};
    }

    Result<> stage(std::size_t number) {
        const auto& stage = plan_.stages[number];
        auto& cost = result_.stages.emplace_back();
        if (stage.boards.empty()) return fail(Fault::refused, "stage {} has no board", number);
        const auto& first = cluster_.boards[stage.boards.front()];
        begin_round(number, stage);
        for (const auto board : stage.boards) {
            if (batch_) hold(board);
            if (++slots_[board] > cluster_.boards[board].slots)
                return fail(Fault::refused, "board '{}' has {} slots, and the plan takes more", cluster_.boards[board].name,
                            cluster_.boards[board].slots);
            if (!same_fabric(cluster_.boards[board], first))
                return fail(Fault::refused, "stage {}: '{}' and '{}' are boards of two kinds", number, first.name,
                            cluster_.boards[board].name);
        }
        if (stage.parts != 1)
            if (auto r = check_parts(number, stage); !r) return r;
        return stage.on_processor ? on_processor(number, stage, cost) : in_fabric(number, stage, cost);
    }

    // The first stage, or one for which a board of it has no slot left.
    void begin_round(std::size_t number, const PlannedStage& stage) {
        if (number != 0) {
            if (!batch_) return;
            auto wanted = slots_;
            bool full = false;
            for (const auto board : stage.boards)
                full |= ++wanted[board] > cluster_.boards[board].slots;
            if (!full) return;
            std::ranges::fill(slots_, 0);
        }
        result_.rounds.push_back({number});
    }

    // A stage more for the board's next slot.
    void hold(std::size_t board) {
        auto& held = held_[board];
        if (held.size() <= slots_[board]) held.resize(slots_[board] + 1);
        ++held[slots_[board]];
    }

    static Result<> check_parts(std::size_t number, const PlannedStage& stage) {
        if (stage.parts < 1 || stage.parts > most_parts || stage.boards.size() != stage.parts)
            return fail(Fault::refused, "stage {} has {} parts on {} slots; there are 2 to {}, each on one", number, stage.parts,
                        stage.boards.size(), most_parts);
        if (stage.on_processor || stage.end != stage.begin + 1)
            return fail(Fault::refused, "stage {} is made in parts, and holds more than what lies between two cuts, in a fabric", number);
        return {};
    }

    std::size_t first_layer(const PlannedStage& stage) const { return network_.cuts[stage.begin].layers; }
    std::size_t end_layer(const PlannedStage& stage) const { return network_.cuts[stage.end].layers; }

    Result<> in_fabric(std::size_t number, const PlannedStage& stage, StageCost& cost) {
        const auto first = first_layer(stage), end = end_layer(stage);
        if (stage.foldings.size() != end - first)
            return fail(Fault::refused, "stage {} has {} layers and {} foldings", number, end - first, stage.foldings.size());
        std::int64_t fill = 0;
        double images = 1;
        cost.need = network_.stage;
        for (auto layer = first; layer < end; ++layer) {
            const auto& foldings = network_.layers[layer].foldings_of(stage.parts);
            const auto chosen = stage.foldings[layer - first];
            if (chosen >= foldings.size())
                return fail(Fault::refused, "stage {}: layer '{}' has no such folding", number, network_.layers[layer].name);
            cost.need += foldings[chosen].need;
            cost.cycles = std::max(cost.cycles, foldings[chosen].cycles);
            fill += foldings[chosen].fill;
            images += network_.layers[layer].lead;
        }
        const auto& board = cluster_.boards[stage.boards.front()];
        for (std::size_t i = 0; i < Resources::kinds; ++i)
            if (cost.need.of[i] > board.usable.of[i])
                return fail(Fault::refused, "stage {} takes {} {}, and a slot of '{}' may give {}", number, cost.need.of[i],
                            resource_names[i], board.name, board.usable.of[i]);
        cost.compute_s = static_cast<double>(cost.cycles) / board.clock_hz;
        cost.latency_s = (static_cast<double>(cost.cycles) * images + static_cast<double>(fill)) / board.clock_hz;
        return {};
    }

    // What a stage's boards compute for each chunk.
    void work(std::size_t number) {
        const auto& stage = plan_.stages[number];
        const auto seconds = result_.stages[number].compute_s / static_cast<double>(stage.replicas());
        for (const auto at : stage.boards) {
            computing_[at] += seconds;
            if (stage.on_processor)
                processor_[at] += seconds;
            else
                add(Load::What::fabric, at, number, seconds);
        }
    }

    Result<> on_processor(std::size_t number, const PlannedStage& stage, StageCost& cost) {
        const auto& board = cluster_.boards[stage.boards.front()];
        if (!(board.macs_per_s > 0))
            return fail(Fault::refused, "stage {}: nothing is known of what the processor of '{}' computes", number,
                        board.name);
        std::int64_t macs = 0;
        for (auto layer = first_layer(stage); layer < end_layer(stage); ++layer)
            macs += network_.layers[layer].macs;
        cost.compute_s = cost.latency_s = static_cast<double>(macs) / board.macs_per_s;
        return {};
    }

    // Who computes a stage, or sends the input, or takes the result.
    struct Party {
        const std::vector<std::size_t>* boards = nullptr;
        std::size_t parts = 1;
        bool is_split() const { return parts > 1; }
        double share() const { return is_split() ? 1 : 1 / static_cast<double>(boards->size()); }  // of the chunks, of each
        // How many of them a board meets for each chunk, of those that are (or are not) on it.
        double met(std::size_t board, bool on_it) const {
            if (!is_split()) return 1;
            const auto own = std::ranges::count(*boards, board);
            return static_cast<double>(on_it ? own : static_cast<std::ptrdiff_t>(boards->size()) - own);
        }
    };

    // Every replica hands an even share of the chunks to every one behind it; parts share bytes, not chunks. Returns what the
    // slowest pair takes.
    double hand_on(const Party& from, const Party& to, std::uint64_t bytes) {
        const auto share = from.share() * to.share(), each = static_cast<double>(bytes) / static_cast<double>(from.parts);
        double slowest = 0;
        for (const auto sender : *from.boards)
            for (const auto receiver : *to.boards) {
                if (sender == receiver) continue;
                send(way_out_, sender, {share, share * each});
                send(way_in_, receiver, {share, share * each});
                const auto sent = from.met(sender, true) * to.met(sender, false);
                const auto taken = to.met(receiver, true) * from.met(receiver, false);
                slowest = std::max(slowest, transfer_s(end(sender), {sent, sent * each}, end(receiver), {taken, taken * each}));
            }
        return slowest;
    }

    End end(std::size_t board) const {
        if (board == client_) return {&cluster_.client, nullptr};
        return {&cluster_.boards[board].way, &cluster_.boards[board]};
    }

    void send(std::vector<double>& ways, std::size_t board, const Traffic& traffic) {
        const auto& way = board == client_ ? cluster_.client : cluster_.boards[board].way;
        ways[board] += wire_s(way, traffic);
        if (board != client_) processor_[board] += host_s(cluster_.boards[board], traffic);
    }

    void add(Load::What what, std::size_t board, std::size_t stage, double seconds) {
        if (seconds > 0) result_.loads.push_back({what, board, stage, seconds});
    }

    // The loads of its stages are all there: the largest one is its period.
    void end_round(std::size_t number) {
        for (std::size_t board = 0; board <= client_; ++board) {
            add(Load::What::processor, board, 0, processor_[board]);
            add(Load::What::way_in, board, 0, way_in_[board]);
            add(Load::What::way_out, board, 0, way_out_[board]);
            on_ways_[board] += way_in_[board] + way_out_[board];
        }
        for (auto* loads : {&processor_, &way_in_, &way_out_})
            std::ranges::fill(*loads, 0);
        auto& round = result_.rounds[number];
        for (; counted_ < result_.loads.size(); ++counted_) {
            const auto& load = result_.loads[counted_];
            round.period_s = std::max(round.period_s, load.seconds);
            if (load.seconds > result_.bottleneck.seconds) result_.bottleneck = load;
        }
    }

    // Where stages stay on their boards nothing is loaded, and a batch is one chunk.
    void sum_up() {
        const bool stays = result_.rounds.size() == 1;
        if (!stays) load_slots();
        double through_s = result_.deliver_s, more_s = 0;
        for (const auto& stage : result_.stages)
            through_s += stage.arrive_s + stage.latency_s;
        for (const auto& round : result_.rounds) {
            through_s += round.reload_s;
            more_s += round.period_s;
        }
        const auto chunks = static_cast<double>(stays ? 1 : *batch_);
        result_.latency_s = through_s + (chunks - 1) * more_s;
        result_.period_s = stays ? result_.bottleneck.seconds : result_.latency_s / chunks;
        result_.energy_j = energy_j(chunks);
    }

    // Slots that several rounds use; each board's are taken from the first one on in every round.
    void load_slots() {
        for (std::size_t number = 0; number < result_.rounds.size(); ++number) {
            const auto end = number + 1 < result_.rounds.size() ? result_.rounds[number + 1].first : plan_.stages.size();
            std::ranges::fill(slots_, 0);
            for (auto stage = result_.rounds[number].first; stage < end; ++stage)
                for (const auto board : plan_.stages[stage].boards)
                    if (held_[board][slots_[board]++] > 1 && !plan_.stages[stage].on_processor) {
                        const auto reload_s = cluster_.boards[board].reload_s.value_or(0);
                        result_.rounds[number].reload_s = std::max(result_.rounds[number].reload_s, reload_s);
                        loading_[board] += reload_s;
                    }
        }
    }

    std::optional<double> energy_j(double chunks) const {
        double joules = 0;
        for (std::size_t board = 0; board < client_; ++board) {
            const auto& power = cluster_.boards[board].power;
            if (!power) return std::nullopt;
            joules += power->idle * result_.period_s + power->compute * computing_[board] + power->network * on_ways_[board] +
                      power->reload * loading_[board] / chunks;
        }
        return joules;
    }

    const Network& network_;
    const Cluster& cluster_;
    const Plan& plan_;
    std::size_t client_;
    std::optional<std::size_t> batch_;
    std::vector<double> processor_, way_in_, way_out_;     // of a round: seconds for each chunk
    std::vector<double> computing_, on_ways_;              // of all rounds: fabrics and processors, both ways
    std::vector<double> loading_;                          // for each batch
    std::vector<std::size_t> slots_;                       // taken in a round
    std::vector<std::vector<std::size_t>> held_;           // by slot: stages of all rounds
    std::size_t counted_ = 0;                              // loads of rounds that are over
    Evaluation result_;
};

}  // namespace

double transfer_s(const End& from, const Traffic& sent, const End& to, const Traffic& taken) {
    const auto host = [](const End& end, const Traffic& traffic) { return end.board ? host_s(*end.board, traffic) : 0; };
    return from.way->latency_s + to.way->latency_s + std::max(wire_s(*from.way, sent), wire_s(*to.way, taken)) + host(from, sent) +
           host(to, taken);
}

Result<Evaluation> evaluate(const Network& network, const Cluster& cluster, const Plan& plan, std::optional<std::size_t> batch) {
    if (batch && *batch < 1) return fail(Fault::invalid_input, "a batch of no chunks");
    return Evaluator(network, cluster, plan, batch).evaluate();
}

}  // namespace fard::splitter
