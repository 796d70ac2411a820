// A pipeline as the simulation sees it: what boards and networks cost, and what positions take, in seconds and bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "splitter/cost/plan.hpp"

namespace fard::planner {

struct Power {  // watts
    double idle = 0;     // always
    double compute = 0;  // more while a fabric (or the processor, of what it computes) is at work
    double network = 0;  // more while a way is in use
    double reload = 0;   // more while a fabric is loaded
};

// A board, or the client: one fabric for each slot, one processor, one way in and one out, shared by all positions there.
struct Place {
    std::string name;
    splitter::Way way;
    double host_s_per_chunk = 0, host_s_per_byte = 0;  // of each end of a transfer, for its processor
    std::size_t slots = 0;
    double reload_s = 0;
    std::optional<Power> power;
};

struct Position {
    enum class On {
        fabric,
        processor,
        relay,  // nothing is computed: the chunk passes through a place (a client that carries tensors from board to board)
    };
    std::string name;
    On on = On::fabric;
    double interval_s = 0;  // between two chunks of one seat
    double latency_s = 0;   // of one chunk, at least the interval
    std::uint64_t bytes_in = 0;
    std::vector<std::uint64_t> parts;  // bytes that each part hands on; none: seats are replicas
    std::size_t replicas = 1;          // where there are no parts: seats that are to be found for it

    std::size_t jobs() const { return parts.empty() ? replicas : parts.size(); }
};

struct Pipeline {
    std::vector<Place> places;  // boards, and the client last
    std::vector<Position> positions;
    std::uint64_t bytes_out = 0;  // of the result
    std::size_t input_at = 0, output_at = 0;
    std::optional<std::size_t> coordinator;  // what goes from or to the client passes through this place
    std::size_t client_places = 1;  // the last ones, which are one client where it waits for answers (Run::one_request)

    std::uint64_t bytes_into(std::size_t position) const {
        return position < positions.size() ? positions[position].bytes_in : bytes_out;
    }
    // Where a chunk goes next that is at place `from` and is for place `to`.
    std::size_t next_stop(std::size_t from, std::size_t to) const;
};

// The boards and the client alone, without any position.
Pipeline places_of(const splitter::Cluster& cluster);

// The stages of a plan, as evaluate() costs them.
Pipeline pipeline_of(const splitter::Network& network, const splitter::Cluster& cluster, const splitter::Plan& plan,
                     const std::vector<splitter::StageCost>& costs);

// Seconds that one chunk takes from one place to another where nothing else is on the way.
double hop_s(const Place& from, const Place& to, std::uint64_t bytes);
inline double host_s(const Place& place, std::uint64_t bytes) {
    return place.host_s_per_chunk + static_cast<double>(bytes) * place.host_s_per_byte;
}

}  // namespace fard::planner
