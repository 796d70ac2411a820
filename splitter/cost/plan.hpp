// A plan, and what it costs: the one place that says so. Every strategy is measured by evaluate().
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "splitter/cost/cluster.hpp"
#include "splitter/network.hpp"

namespace fard::splitter {

// One position: the layers between two cuts, and who computes them.
struct PlannedStage {
    std::size_t begin = 0, end = 0;      // indices into the network's cuts, begin < end
    bool on_processor = false;           // no fabric is used
    std::vector<std::size_t> foldings;   // for each layer which of its foldings; empty on a processor
    std::vector<std::size_t> boards;     // one for each replica; a board as often as it gives slots; all of one fabric
    // Instead of replicas: each board makes an even share of the channels of each chunk. 1: replicas, else one board for each
    // part, and the stage ends at the cut behind the one that it begins at.
    std::size_t parts = 1;
    std::size_t replicas() const { return parts > 1 ? 1 : boards.size(); }
};

// Stages in order: the first begins at the network's first cut, each where the one before it ends.
struct Plan {
    std::vector<PlannedStage> stages;
};

struct StageCost {
    Resources need;                // of one replica or part
    std::int64_t cycles = 0;       // between two chunks of one replica or part
    double compute_s = 0;          // the same in time, on the fabric or the processor
    double latency_s = 0;          // of one chunk through it
    double arrive_s = 0;           // of one chunk on its way from the stage before, or from the input
};

// What one thing is busy with for each chunk that passes through the whole.
struct Load {
    enum class What { fabric, processor, way_in, way_out };
    What what = What::fabric;
    std::size_t board = 0;  // boards.size(): the client
    std::size_t stage = 0;  // fabric: whose
    double seconds = 0;
};

// Stages that are on boards at the same time, where they outnumber slots.
struct Round {
    std::size_t first = 0;  // stage
    double reload_s = 0;    // until all slots that hold another stage in another round are loaded
    double period_s = 0;    // between two chunks of a batch
};

struct Evaluation {
    std::vector<StageCost> stages;
    std::vector<Round> rounds;  // one: everything stays where it is
    double deliver_s = 0;     // of the result, from the last stage to where it goes
    double period_s = 0;      // between two results: the largest load; in rounds: a batch's time, over its chunks
    double latency_s = 0;     // of one chunk, from the input to the result; in rounds: of a whole batch
    // Of all boards for one chunk where they come one each period: always on, and more while they compute or a way is in use. None:
    // nothing is known of some board's power.
    std::optional<double> energy_j;
    Load bottleneck;
    std::vector<Load> loads;  // all that are not zero
};

// Period: the largest work for each chunk over all fabrics, processors and ways. A board's slots each have a fabric; its
// processor and its two ways are shared by all of its positions. Replicas of a position share its chunks evenly. What stays
// on a board costs nothing to hand on. Parts: who is before them sends each all of a chunk, each sends on its share of the bytes,
// and who is behind them takes one message from each. Latency: the sum along the path, by the slowest replicas, of what each way and each
// stage takes; a stage
// takes the cycles of its slowest layer, once for the image and once for each lead of its layers (rows come no faster than the
// slowest makes them), and the fill of those that need all of their input.
//
// With `batch` stages may outnumber slots. They are on boards in rounds, as many of them in their order as there are slots for; all of
// a batch passes a round before the next one is loaded, all boards at once. A batch takes for each round its load, one chunk's way
// through, and a period for each further chunk. What is handed to the next round is a load of the round that sends it. (The planner
// follows turns that overlap: planner/simulate.hpp.)
// Errors: refused, with what does not fit where, for a plan that cannot be; every index must be one.
Result<Evaluation> evaluate(const Network& network, const Cluster& cluster, const Plan& plan, std::optional<std::size_t> batch = {});

// One end of a way.
struct End {
    const Way* way = nullptr;
    const Board* board = nullptr;  // none: the client, whose processor is not counted
};
// What one end sends or takes for one chunk.
struct Traffic {
    double messages = 1, bytes = 0;
    static Traffic of(std::uint64_t bytes) { return {1, static_cast<double>(bytes)}; }
};
// One chunk from one end to another board's, with what both processors take for it: the first sends all it has to before the
// last of it is there, and the second takes all that it gets.
double transfer_s(const End& from, const Traffic& sent, const End& to, const Traffic& taken);
inline double transfer_s(const End& from, const End& to, std::uint64_t bytes) {
    return transfer_s(from, Traffic::of(bytes), to, Traffic::of(bytes));
}

// Of one end, for one chunk.
inline double host_s(const Board& board, const Traffic& traffic) {
    return traffic.messages * board.host_s_per_chunk + traffic.bytes * board.host_s_per_byte;
}
inline double host_s(const Board& board, std::uint64_t bytes) { return host_s(board, Traffic::of(bytes)); }
inline double wire_s(const Way& way, const Traffic& traffic) { return traffic.bytes / way.bytes_per_s; }
inline double wire_s(const Way& way, std::uint64_t bytes) { return wire_s(way, Traffic::of(bytes)); }

}  // namespace fard::splitter
