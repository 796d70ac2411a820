// A schedule followed in virtual time: what a run of it takes. Deterministic; the same numbers on every machine.
//
// A chunk goes from one board to another like this: the sender's processor, its way out, the receiver's way in, the receiver's
// processor; each serves one chunk at a time, in the order of requests. Bytes pass a way in as they come: it is taken for as
// long as they take at its own rate, and until the last one has come. On one board a chunk is handed on in no time. What goes from or
// to the client goes first to the board that coordinates, where there is one.
// A fabric takes a chunk each interval and gives it back after the latency; it is loaded anew when it is empty, one
// slot of a board after the other, while its processor and ways go on. A sender counts what is on its way to a seat, waits and is computed there, and sends no
// more than the seat's room; before a turn begins, room for all of its batch is reserved at the next position (or, where
// chunks wait on the board before, there).
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "planner/pipeline.hpp"
#include "planner/schedule.hpp"

namespace fard::planner {

// What a slot holds: a position's overlay, or that of one of its parts.
struct Held {
    std::size_t position = 0, part = 0;
    Held(std::size_t of, std::size_t which = 0) : position(of), part(which) {}  // any replica: part 0
    friend bool operator==(const Held&, const Held&) = default;
};

struct Run {
    std::size_t chunks = 1;
    double every_s = 0;  // the input has a chunk each so often; 0: all at once
    // What a slot holds at the beginning, by place and slot; none: it must be loaded.
    std::vector<std::vector<std::optional<Held>>> loaded;
    std::optional<Held> held_by(const Seat& slot) const {
        return slot.board < loaded.size() && slot.slot < loaded[slot.board].size() ? loaded[slot.board][slot.slot] : std::nullopt;
    }
    bool one_request = false;  // the client waits for each answer before it sends again
    bool together = false;     // all slots begin their next turns at once, when no turn is on and nothing is on its way
    bool spans = false;        // keep the timeline
    // What the client sends before there is room for it, to who coordinates the run: at least two chunks. From there it goes on when the
    // window and the first position let it, and takes no time of the client's way any more. 0: it waits at the client.
    std::uint64_t ahead_bytes = 0;
};

struct Span {
    enum class What { load, compute, receive, send };
    What what = What::load;
    std::size_t place = 0, slot = 0, position = 0, chunk = 0;
    double begin_s = 0, end_s = 0;
};

struct Busy {  // seconds, of one place
    std::vector<double> fabric;  // by slot
    double reload = 0, processor = 0, processor_compute = 0, way_in = 0, way_out = 0;
};

struct Simulated {
    std::vector<double> delivered_s;  // by chunk, in order
    std::vector<double> latency_s;    // by chunk, from when it was admitted
    std::size_t reloads = 0;
    std::vector<Busy> busy;  // by place
    std::vector<Span> spans;
    double wall_s() const { return delivered_s.back(); }
    double throughput_per_s() const { return static_cast<double>(delivered_s.size()) / wall_s(); }
    // From the first result to the last; none of fewer than two chunks.
    std::optional<double> steady_per_s() const;
};

// Errors: invalid_input (a schedule that check() refuses, or for another pipeline), refused (it stands still: what waits).
Result<Simulated> simulate(const Pipeline& pipeline, const Schedule& schedule, const Run& run);

// Joules of all boards whose power is known; none where one's is not.
std::optional<double> energy_j(const Pipeline& pipeline, const Simulated& simulated);

}  // namespace fard::planner
