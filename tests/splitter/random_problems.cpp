#include "tests/splitter/random_problems.hpp"

#include <algorithm>
#include <cmath>

namespace fard {
namespace {

using splitter::Board;
using splitter::Cluster;
using splitter::Folding;
using splitter::Network;

class Dice {
  public:
    explicit Dice(std::uint32_t seed) : random_(seed) {}
    std::int64_t whole(std::int64_t least, std::int64_t most) {
        return least + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(most - least + 1));
    }
    bool one_in(std::int64_t n) { return whole(1, n) == 1; }
    double real(double least, double most) { return least + (most - least) * static_cast<double>(random_()) / 4294967296.0; }

  private:
    std::mt19937 random_;
};

// What reads what, layers in order: now and then a branch that a few layers lie beside, joined behind it.
std::vector<std::vector<std::size_t>> edges(Dice& dice, std::size_t layers, bool branches) {
    std::vector<std::vector<std::size_t>> reads(layers);
    for (std::size_t i = 1; i < layers; ++i)
        reads[i].push_back(i - 1);
    if (!branches) return reads;
    for (std::size_t fork = 0; fork + 2 < layers;) {
        const auto join = static_cast<std::size_t>(
            dice.whole(static_cast<std::int64_t>(fork) + 2, std::min<std::int64_t>(static_cast<std::int64_t>(fork) + 5,
                                                                                   static_cast<std::int64_t>(layers) - 1)));
        if (dice.one_in(2)) reads[join].push_back(fork);
        fork = join;
    }
    return reads;
}

// A cut behind each layer, with all tensors that cross it.
void add_cuts(Network& network, const std::vector<std::vector<std::size_t>>& reads, const std::vector<std::uint64_t>& bytes,
              std::uint64_t input) {
    network.cuts.push_back({0, input});
    for (std::size_t after = 0; after < reads.size(); ++after) {
        std::uint64_t crossing = after + 1 == reads.size() ? bytes[after] : 0;
        for (std::size_t made = 0; made <= after; ++made) {
            bool read = false;
            for (auto reader = after + 1; reader < reads.size(); ++reader)
                read |= std::ranges::find(reads[reader], made) != reads[reader].end();
            if (read) crossing += bytes[made];
        }
        network.cuts.push_back({after + 1, crossing});
    }
}

// Some layers in two to four parts: each takes less, but not half, and some no fewer cycles.
void offer_parts(Dice& dice, Network& network) {
    for (auto& layer : network.layers) {
        if (layer.foldings.empty() || dice.one_in(2)) continue;
        for (std::int64_t parts = 2; parts <= 4; ++parts) {
            auto& list = layer.parts.emplace_back();
            if (dice.one_in(3)) continue;
            for (auto folding : layer.foldings) {
                folding.cycles = std::max<std::int64_t>(1, folding.cycles / dice.whole(1, parts));
                folding.fill = folding.fill / dice.whole(1, parts);
                for (auto& need : folding.need.of)
                    need = need * dice.whole(1, 4) / 4;
                list.push_back(folding);
            }
        }
    }
}

Board small_board(Dice& dice, int kind) {
    Board board{.name = "b", .profile = std::string(1, static_cast<char>('a' + kind))};
    for (auto& amount : board.usable.of)
        amount = dice.whole(20, 60) * (kind + 1);
    board.whole = board.usable;
    board.clock_hz = 1e6 * static_cast<double>(kind + 1);
    board.way = {1e6 * dice.real(0.5, 4), dice.real(0, 1e-3)};
    board.host_s_per_chunk = dice.real(0, 2e-4);
    board.host_s_per_byte = dice.real(0, 4e-7);
    board.macs_per_s = dice.one_in(3) ? 0 : 1e6 * dice.real(0.2, 2);
    return board;
}

}  // namespace

RandomProblem small_problem(std::uint32_t seed) {
    Dice dice(seed * 2654435761u + 17);
    RandomProblem problem;
    auto& network = problem.network;
    network.name = "random";
    if (dice.one_in(3)) network.stage.of = {dice.whole(0, 15), 0, dice.whole(0, 5), 0, 0};
    const auto layers = static_cast<std::size_t>(dice.whole(1, 7));
    const bool processors = dice.one_in(4);
    std::vector<std::uint64_t> bytes;
    for (std::size_t i = 0; i < layers; ++i) {
        auto& layer = network.layers.emplace_back();
        layer.name = "layer" + std::to_string(i);
        layer.macs = dice.whole(10, 3000);
        if (dice.one_in(2)) layer.lead = dice.real(0, 1);
        bytes.push_back(static_cast<std::uint64_t>(dice.whole(1, 4000)));
        if (processors && dice.one_in(3)) continue;
        for (auto n = dice.whole(1, 3); n > 0; --n) {
            Folding folding{.cycles = dice.whole(50, 6000), .fill = dice.whole(0, 800)};
            for (auto& need : folding.need.of)
                need = dice.one_in(2) ? dice.whole(0, 40) : 0;
            layer.foldings.push_back(folding);
        }
    }
    add_cuts(network, edges(dice, layers, dice.one_in(2)), bytes, static_cast<std::uint64_t>(dice.whole(1, 4000)));
    auto& cluster = problem.cluster;
    const auto boards = dice.whole(1, 3), kinds = dice.whole(1, 2);
    std::vector<Board> kind;
    for (int i = 0; i < kinds; ++i)
        kind.push_back(small_board(dice, i));
    std::size_t slots = 0;
    for (std::int64_t i = 0; i < boards; ++i) {
        auto& board = cluster.boards.emplace_back(kind[static_cast<std::size_t>(dice.whole(0, kinds - 1))]);
        if (slots + 2 + static_cast<std::size_t>(boards - i - 1) <= 4 && dice.one_in(4)) board.slots = 2;
        if (dice.one_in(4)) board.way.bytes_per_s *= 2;
        slots += board.slots;
    }
    cluster.client = {dice.real(1e6, 1e7), dice.real(0, 1e-3)};
    if (dice.one_in(5)) cluster.input_at = static_cast<std::size_t>(dice.whole(0, boards - 1));
    if (dice.one_in(5)) cluster.output_at = static_cast<std::size_t>(dice.whole(0, boards - 1));
    if (dice.one_in(2)) offer_parts(dice, network);
    return problem;
}

RandomProblem turning_problem(std::uint32_t seed) {
    Dice dice(seed * 2654435761u + 29);
    RandomProblem problem;
    auto& network = problem.network;
    network.name = "turning";
    if (dice.one_in(3)) network.stage.of = {dice.whole(0, 8), 0, dice.whole(0, 4), 0, 0};
    const auto layers = static_cast<std::size_t>(dice.whole(3, 4));
    std::vector<std::uint64_t> bytes;
    for (std::size_t i = 0; i < layers; ++i) {
        auto& layer = network.layers.emplace_back();
        layer.name = "layer" + std::to_string(i);
        layer.macs = dice.whole(10, 3000);
        if (dice.one_in(2)) layer.lead = dice.real(0, 1);
        bytes.push_back(static_cast<std::uint64_t>(dice.whole(1, 4000)));
        for (auto n = dice.whole(1, 3); n > 0; --n) {
            Folding folding{.cycles = dice.whole(50, 6000), .fill = dice.one_in(2) ? dice.whole(0, 800) : 0};
            for (auto& need : folding.need.of)
                need = dice.one_in(2) ? dice.whole(0, 36) : 0;
            layer.foldings.push_back(folding);
        }
    }
    add_cuts(network, edges(dice, layers, dice.one_in(2)), bytes, static_cast<std::uint64_t>(dice.whole(1, 4000)));
    auto& cluster = problem.cluster;
    const auto kinds = dice.whole(1, 2);
    for (int i = 0; i < 2; ++i) {
        if (i == 0 || kinds == 2) {
            auto board = small_board(dice, i);
            for (auto& amount : board.usable.of)
                amount = dice.whole(36, 60);
            board.whole = board.usable;
            board.macs_per_s = 0;
            board.reload_s = dice.real(1e-3, 0.3);
            cluster.boards.push_back(board);
        } else {
            cluster.boards.push_back(cluster.boards.front());
        }
    }
    cluster.client = {dice.real(1e6, 1e7), dice.real(0, 1e-3)};
    if (dice.one_in(5)) cluster.input_at = static_cast<std::size_t>(dice.whole(0, 1));
    if (dice.one_in(5)) cluster.output_at = static_cast<std::size_t>(dice.whole(0, 1));
    return problem;
}

RandomProblem large_problem(std::uint32_t seed, std::size_t layers, std::size_t boards, std::size_t kinds) {
    Dice dice(seed * 2246822519u + 5);
    RandomProblem problem;
    auto& network = problem.network;
    network.name = "large";
    std::vector<std::uint64_t> bytes;
    std::int64_t channels = 16, pixels = 112 * 112;
    for (std::size_t i = 0; i < layers; ++i) {
        const auto next = std::int64_t{8} << dice.whole(0, 5);
        if (pixels > 49 && dice.one_in(static_cast<std::int64_t>(layers / 8 + 1))) pixels /= 4;
        const auto columns = channels * (dice.one_in(2) ? 9 : 1);
        auto& layer = network.layers.emplace_back();
        layer.name = "layer" + std::to_string(i);
        layer.macs = columns * next * pixels;
        layer.parameters = columns * next;
        const bool whole = dice.one_in(20);  // needs all of its input
        layer.lead = whole ? 0 : 1.0 / 16;
        for (std::int64_t parallel = 1; parallel <= columns * next && parallel <= 16'384; parallel *= 2) {
            const auto cycles = layer.macs / parallel;
            const auto bram = (4 * parallel + 35) / 36 * ((layer.parameters / parallel + 511) / 512);
            layer.foldings.push_back({{{300 + 14 * parallel, 200 + 20 * parallel, bram, 0, 0}}, cycles, whole ? cycles : 0});
            layer.foldings.push_back({{{300 + 6 * parallel, 200 + 14 * parallel, bram, 0, (parallel + 1) / 2}}, cycles, whole ? cycles : 0});
        }
        bytes.push_back(static_cast<std::uint64_t>(pixels * next / 2));
        channels = next;
    }
    add_cuts(network, edges(dice, layers, dice.one_in(2)), bytes, 150'528);
    auto& cluster = problem.cluster;
    for (std::size_t i = 0; i < boards; ++i) {
        const auto kind = i % kinds;
        const auto scale = static_cast<std::int64_t>(kind + 1);
        Board board{.name = "b" + std::to_string(i), .profile = std::string(1, static_cast<char>('a' + kind))};
        board.usable.of = {37'240 * scale, 53'200 * scale, 224 * scale, 0, 176 * scale};
        board.whole.of = {53'200 * scale, 106'400 * scale, 280 * scale, 0, 220 * scale};
        board.clock_hz = 100e6 + 30e6 * static_cast<double>(kind);
        board.way = {1.2e9 / static_cast<double>(1 + (seed + kind) % 3), 1e-4};
        board.host_s_per_chunk = 2e-5;
        board.host_s_per_byte = 1e-10;
        cluster.boards.push_back(board);
    }
    cluster.client = {1.2e9, 1e-4};
    return problem;
}

}  // namespace fard
