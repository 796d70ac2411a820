#include "splitter/report/explain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "splitter/search/labels.hpp"
#include "splitter/search/with_parts.hpp"

namespace fard::splitter {
namespace {

constexpr std::size_t usual_batch = 64;

std::string board_name(const Cluster& cluster, std::size_t board) {
    return board == cluster.boards.size() ? "the client" : cluster.boards[board].name;
}

// The layer that takes the most cycles of a stage.
std::string name_of_slowest(const Network& network, const PlannedStage& stage) {
    const auto name = "layer '" + network.layers[slowest_layer(network, stage, false)].name + "'";
    return stage.parts > 1 ? fmt::format("{} (one of {} parts)", name, stage.parts) : name;
}

std::string describe(const Network& network, const Cluster& cluster, const Found& found, const Load& load) {
    const auto name = board_name(cluster, load.board);
    switch (load.what) {
        case Load::What::fabric:
            return fmt::format("the fabric of {}, {}", name, name_of_slowest(network, found.plan.stages[load.stage]));
        case Load::What::processor: return fmt::format("the processor of {}", name);
        case Load::What::way_in: return fmt::format("the network into {}", name);
        case Load::What::way_out: return fmt::format("the network out of {}", name);
    }
    return name;
}

std::string remedy(const Cluster& cluster, const Load& load) {
    const bool client = load.board == cluster.boards.size();
    switch (load.what) {
        case Load::What::fabric: return "a folding of that layer with fewer cycles, a larger fraction, or a board more for a replica";
        case Load::What::processor: return "fewer bytes at the cuts of its stages, or a faster processor";
        default:
            return client ? "a faster network of the client, or an input or result on a board (input_at, output_at)"
                          : "a faster network there, a replica, or a cut that fewer bytes cross";
    }
}

// The least that a layer takes of each resource, of all its foldings.
Resources least_of(const Layer& layer) {
    auto least = layer.foldings.front().need;
    for (const auto& folding : layer.foldings)
        for (std::size_t i = 0; i < Resources::kinds; ++i)
            least.of[i] = std::min(least.of[i], folding.need.of[i]);
    return least;
}

bool holds(const Board& board, const Network& network, const std::vector<Folding>& foldings) {
    return std::ranges::any_of(foldings, [&](const Folding& folding) { return (network.stage + folding.need).fits(board.usable); });
}
bool holds(const Board& board, const Network& network, const Layer& layer) { return holds(board, network, layer.foldings); }
bool holds_parts(const Board& board, const Network& network, const Layer& layer) {
    return std::ranges::any_of(layer.parts, [&](const auto& foldings) { return holds(board, network, foldings); });
}

// How far a folding is beyond a board: the largest share of what is usable.
double excess(const Board& board, const Resources& need) {
    double most = 0;
    for (std::size_t i = 0; i < Resources::kinds; ++i)
        if (need.of[i] > board.usable.of[i])
            most = std::max(most, static_cast<double>(need.of[i]) / static_cast<double>(std::max<std::int64_t>(1, board.usable.of[i])));
    return most;
}

std::string what_would_do(const Network& network, const Layer& layer, const Board& board, const Resources& need,
                          const std::vector<Board>& others) {
    std::vector<std::string> ways;
    double fraction = 0;
    bool fits_whole = true;
    for (std::size_t i = 0; i < Resources::kinds; ++i) {
        fits_whole &= need.of[i] <= board.whole.of[i];
        if (board.whole.of[i] > 0) fraction = std::max(fraction, static_cast<double>(need.of[i]) / static_cast<double>(board.whole.of[i]));
    }
    if (fits_whole) ways.push_back(fmt::format("--fraction {:.2f}", std::ceil(fraction * 100 - 1e-9) / 100));
    const auto other = std::ranges::find_if(others, [&](const Board& b) { return holds(b, network, layer); });
    if (other != others.end()) ways.push_back(fmt::format("a board {}", other->profile));
    const auto parts = static_cast<std::int64_t>(std::ceil(excess(board, need) - 1e-9));
    if (parts >= 2 && parts <= 64) ways.push_back(fmt::format("the layer in {} parallel parts", parts));
    if (layer.foldings.size() == 1) ways.push_back("another folding (without --folding all are tried)");
    std::string text;
    for (std::size_t i = 0; i < ways.size(); ++i)
        text += (i == 0 ? "" : i + 1 == ways.size() ? ", or " : ", ") + ways[i];
    return text.empty() ? "a smaller layer" : text;
}

std::string too_large(const Network& network, const Layer& layer, const Cluster& cluster, const std::vector<Board>& others) {
    const Board* nearest = nullptr;
    Resources need;
    double least = std::numeric_limits<double>::infinity();
    for (const auto& board : cluster.boards)
        for (const auto& folding : layer.foldings) {
            const auto all = network.stage + folding.need;
            if (const auto now = excess(board, all); now < least) {
                least = now;
                nearest = &board;
                need = all;
            }
        }
    std::string over;
    for (std::size_t i = 0; i < Resources::kinds; ++i)
        if (need.of[i] > nearest->usable.of[i])
            over += fmt::format("{}{} {} of {} ({} too many)", over.empty() ? "" : ", ", need.of[i], resource_names[i],
                                nearest->usable.of[i], need.of[i] - nearest->usable.of[i]);
    return fmt::format("layer '{}' alone takes {} on {}; what would do: {}", layer.name, over, nearest->name,
                       what_would_do(network, layer, *nearest, need, others));
}

// Layers with no cut between them that no board holds together.
std::vector<std::string> inseparable(const Network& network, const Cluster& cluster) {
    std::vector<std::string> causes;
    Problem problem(network, cluster);
    std::vector<StageSolver::Reach> reach;
    for (std::size_t fabric = 0; fabric < problem.space.fabrics.size(); ++fabric)
        reach.push_back(problem.solver(fabric).reach(std::numeric_limits<std::int64_t>::max() / 2));
    for (std::size_t cut = 0; cut + 1 < network.cuts.size() && !problem.on_processors; ++cut) {
        if (std::ranges::any_of(reach, [&](const StageSolver::Reach& r) { return r.surely[cut] > cut; })) continue;
        if (!problem.part_counts[cut].empty()) continue;
        const auto first = network.cuts[cut].layers, last = network.cuts[cut + 1].layers;
        auto least = network.stage;
        for (auto layer = first; layer < last; ++layer)
            least += least_of(network.layers[layer]);
        std::string amounts;
        for (std::size_t i = 0; i < Resources::kinds; ++i)
            if (least.of[i] > 0)
                amounts += fmt::format("{}{} {} of {}", amounts.empty() ? "" : ", ", least.of[i], resource_names[i],
                                       cluster.boards[problem.space.fabrics[0]].usable.of[i]);
        causes.push_back(fmt::format("layers '{}' .. '{}', between which there is no cut, fit no board together: at least {}; what "
                                     "would do: a larger fraction, or larger boards",
                                     network.layers[first].name, network.layers[last - 1].name, amounts));
    }
    return causes;
}

// What stages on so many slots give on these boards in rounds, in images per second.
std::optional<double> by_rounds(const Network& network, const Cluster& cluster, std::size_t wanted) {
    auto many = cluster;
    const auto slots = slots_of(cluster);
    for (auto there = slots; there < wanted; there += slots)
        many.boards.insert(many.boards.end(), cluster.boards.begin(), cluster.boards.end());
    auto found = Result<Found>();
    auto stages = wanted;  // fewer where some are made in parts
    do
        found = search(network, many, {Strategy::throughput, stages});
    while (!found && --stages > 0);
    if (!found) return std::nullopt;
    auto plan = found->plan;
    for (auto& stage : plan.stages) {
        if (stage.parts == 1) stage.boards.resize(1);
        for (auto& board : stage.boards)
            board %= cluster.boards.size();
    }
    const auto cost = evaluate(network, cluster, plan, usual_batch);
    if (!cost) return std::nullopt;
    return 1 / cost->period_s;
}

}  // namespace

std::string board_names(const Cluster& cluster, const PlannedStage& stage) {
    std::string names;
    for (const auto board : stage.boards)
        names += (names.empty() ? "" : ", ") + cluster.boards[board].name;
    return names;
}

Bottleneck bottleneck_of(const Network& network, const Cluster& cluster, const Found& found) {
    const auto& worst = found.cost.bottleneck;
    // Loads of the same size are one bottleneck: replicas, or a sender and its receiver.
    Load next;
    for (const auto& load : found.cost.loads)
        if (load.seconds < worst.seconds * (1 - 1e-6) && load.seconds > next.seconds) next = load;
    Bottleneck result;
    result.what = fmt::format("{}: {:.4g} ms for each chunk", describe(network, cluster, found, worst), worst.seconds * 1e3);
    result.relief = remedy(cluster, worst);
    if (next.seconds > 0)
        result.relief += fmt::format("; without it {:.4g}/s, bound by {}", 1 / next.seconds, describe(network, cluster, found, next));
    return result;
}

// A slot is as good as any other of its kind here, whichever board it is of: each as a board of its own, so that the search need
// not tell boards apart.
std::optional<Plan> in_fewest_slots(const Network& network, const Cluster& cluster) {
    Cluster slots;
    slots.client = cluster.client;
    std::vector<std::size_t> owners;
    for (std::size_t i = 0; i < cluster.boards.size(); ++i)
        for (std::size_t slot = 0; slot < cluster.boards[i].slots; ++slot) {
            slots.boards.push_back(cluster.boards[i]);
            slots.boards.back().slots = 1;
            owners.push_back(i);
        }
    Problem problem(network, slots);
    Question question;
    question.parts = true;
    auto plan = search_labels(problem, question).plan;
    if (!plan) return std::nullopt;
    for (auto& stage : plan->stages)
        for (auto& board : stage.boards)
            board = owners[board];
    return plan;
}

std::optional<std::size_t> fewest_slots(const Network& network, const Cluster& cluster) {
    const auto plan = in_fewest_slots(network, cluster);
    if (!plan) return std::nullopt;
    std::size_t slots = 0;
    for (const auto& stage : plan->stages)
        slots += stage.boards.size();
    return slots;
}

std::vector<std::string> why_nothing_fits(const Network& network, const Cluster& cluster, const std::vector<Board>& others) {
    std::vector<std::string> causes;
    for (const auto& layer : network.layers) {
        const bool processor = std::ranges::any_of(cluster.boards, [](const Board& board) { return board.macs_per_s > 0; });
        if (layer.foldings.empty() && !processor)
            causes.push_back(fmt::format("layer '{}' has no FPGA estimate, and no board's profile says what its processor computes "
                                         "(mmac_per_s); what would do: a board with such a profile", layer.name));
        if (layer.foldings.empty()) continue;
        if (std::ranges::none_of(cluster.boards, [&](const Board& board) {
                return holds(board, network, layer) || holds_parts(board, network, layer);
            }))
            causes.push_back(too_large(network, layer, cluster, others));
    }
    if (causes.empty()) causes = inseparable(network, cluster);
    if (!causes.empty()) return causes;
    auto more = cluster;
    constexpr std::size_t enough = 64;
    while (more.boards.size() < enough)
        more.boards.push_back(cluster.boards[more.boards.size() % cluster.boards.size()]);
    Resources least, usable;
    for (const auto& layer : network.layers)
        if (!layer.foldings.empty()) least += least_of(layer);
    for (const auto& board : cluster.boards)
        for (std::size_t slot = 0; slot < board.slots; ++slot)
            usable += board.usable;
    std::string over;
    for (std::size_t i = 0; i < Resources::kinds; ++i)
        if (least.of[i] > usable.of[i])
            over += fmt::format("{}{} {} of {}", over.empty() ? "" : ", ", least.of[i], resource_names[i], usable.of[i]);
    const auto slots = fewest_slots(network, more);
    std::size_t there = 0;
    for (const auto& board : cluster.boards)
        there += board.slots;
    if (slots && *slots <= there) return {fmt::format("{} of the {} slots would do by --strategy throughput without --stages", *slots, there)};
    const auto rounds = slots ? by_rounds(network, cluster, *slots) : std::nullopt;
    causes.push_back(fmt::format("the layers{} do not fit {} slot{}; what would do: {}",
                                 over.empty() ? std::string() : " take " + over + " in all, and so", there,
                                 there == 1 ? "" : "s",
                                 slots ? fmt::format("{} slots of such boards{}", *slots,
                                                     rounds ? fmt::format(", or turns on these: {:.3g}/s or more in batches of {} (fard plan, fard split --strategy throughput)", *rounds, usual_batch) : "")
                                       : fmt::format("other boards ({} of these do not do either: some layers between two cuts "
                                                     "fit none together)", enough)));
    return causes;
}

}  // namespace fard::splitter
