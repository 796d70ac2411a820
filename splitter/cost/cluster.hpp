// The boards that a network is planned for, in the units that the cost model computes with.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "overlays/profiles/board_profile.hpp"
#include "splitter/network.hpp"

namespace fard::splitter {

// One end of a way between boards: seconds and bytes per second.
struct Way {
    double bytes_per_s = 0;  // of payload
    double latency_s = 0;    // of this half
};

// An Ethernet port of this line rate.
Way way_at(double mbit_per_s, double latency_us);

struct Board {
    std::string name;
    std::string profile;  // boards of one profile and number of slots have the same fabric
    std::string part;
    std::size_t slots = 1;
    std::string loaded;  // the overlay that its first slot holds already; "": none
    Resources whole;   // of one slot
    Resources usable;  // of one slot: whole times the fraction that a design may take
    double clock_hz = 0;
    Way way;
    double host_s_per_chunk = 0;  // what one end of a link costs its processor
    double host_s_per_byte = 0;
    double macs_per_s = 0;  // of layers that its processor computes; 0: it computes none
    std::optional<double> reload_s;
    std::optional<double> watts;
    struct Power {  // watts
        double idle = 0, compute = 0, network = 0, reload = 0;  // always; more while computing, while a way is in use, while loading
    };
    std::optional<Power> power;  // none where the profile leaves one of them out
};

// Where the input comes from and the result goes to: a board, or the client, which counts as a board that computes nothing.
struct Cluster {
    std::vector<Board> boards;
    Way client;
    std::optional<std::size_t> input_at, output_at;  // none: the client
    // The board that the client submits to, and that coordinates its run: what the client sends and gets passes through it. None: whoever
    // it is, that costs nothing (emulated boards charge the client's own port). The planner's simulation counts it; the strategies of
    // `fard split` don't.
    std::optional<std::size_t> coordinator;
};

// How much of a fabric a design may take.
struct Fractions {
    std::array<double, Resources::kinds> of = {0.7, 0.5, 0.8, 0.8, 0.8};  // FINN's limits for timing closure
    static Fractions all(double fraction);
};

// A board of a profile. Errors: invalid_input (a fraction leaves nothing; the profile has no network where
// none is given; more slots than 64).
struct BoardSettings {
    std::optional<std::size_t> slots;
    std::optional<double> mbit_per_s, latency_us;
};
Result<Board> board_of(const BoardProfile& profile, const std::string& name, const BoardSettings& settings,
                       const Fractions& fractions);

// Chunks come from that board, and results go there.
void put_client_on_board(Cluster& cluster, std::size_t board);

// `count` boards of one profile at one switch, the client at the same rate. Errors: as board_of.
Result<Cluster> cluster_of(const BoardProfile& profile, std::size_t count, const Fractions& fractions);

// CLUSTER.toml (docs/splitter.md). Profiles come from the directory `profiles`, or from whom else one asks. Errors:
// invalid_input with file, line and what to do.
using FindProfile = std::function<Result<BoardProfile>(const std::string& name)>;
Result<Cluster> read_cluster(const std::filesystem::path& file, const std::filesystem::path& profiles,
                             const Fractions& fractions);
Result<Cluster> parse_cluster(std::string_view toml, const std::string& where, const FindProfile& profiles,
                              const Fractions& fractions);

std::size_t slots_of(const Cluster& cluster);  // of all its boards

// Boards that the same stage can be built for once.
bool same_fabric(const Board& a, const Board& b);

}  // namespace fard::splitter
