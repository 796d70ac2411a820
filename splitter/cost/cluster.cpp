#include "splitter/cost/cluster.hpp"

#include <algorithm>
#include <cmath>

namespace fard::splitter {
namespace {

// TCP in Ethernet frames of 1,500 bytes: 1,460 of 1,538 that pass on the wire.
constexpr double payload = 1460.0 / 1538.0;
constexpr std::size_t max_slots = 64, max_boards = 4096;

Resources times(const Resources& resources, const std::array<double, Resources::kinds>& factor) {
    Resources result;
    for (std::size_t i = 0; i < Resources::kinds; ++i)
        // What a fraction stands for exactly is not lost to its representation: 0.8 of 280 are 224.
        result.of[i] = static_cast<std::int64_t>(std::floor(static_cast<double>(resources.of[i]) * factor[i] + 1e-6));
    return result;
}

Result<Way> way_of(const BoardProfile& profile, const std::string& name, const BoardSettings& settings) {
    if (!profile.network && !settings.mbit_per_s)
        return fail(Fault::invalid_input,
                    "board '{}': the profile '{}' has no network of its own; give its mbit_per_s in a cluster file", name,
                    profile.name);
    const auto mbit = settings.mbit_per_s ? *settings.mbit_per_s : profile.network->mbit_per_s.value;
    const auto latency = settings.latency_us ? *settings.latency_us
                         : profile.network   ? profile.network->latency_us.value
                                             : 0;
    if (!(mbit > 0))
        return fail(Fault::invalid_input, "board '{}': nothing can reach it over a network of {} Mbit/s; mbit_per_s must be above 0",
                    name, mbit);
    return way_at(mbit, latency);
}

void read_processor(const BoardProfile& profile, Board& board) {
    if (profile.host) {
        board.host_s_per_chunk = profile.host->us_per_chunk.value / 1e6;
        board.host_s_per_byte = profile.host->ns_per_byte.value / 1e9;
    }
    if (profile.cpu && profile.cpu->mmac_per_s) board.macs_per_s = profile.cpu->mmac_per_s->value * 1e6;
    if (profile.reload) board.reload_s = profile.reload->ms() / 1e3;
    if (profile.power) {
        const auto& power = *profile.power;
        board.watts = power.watts.value;
        if (power.idle_watts && power.compute_watts && power.network_watts && power.reload_watts)
            board.power = {power.idle_watts->value, power.compute_watts->value, power.network_watts->value, power.reload_watts->value};
    }
}

}  // namespace

Way way_at(double mbit_per_s, double latency_us) {
    return {mbit_per_s * 1e6 / 8 * payload, latency_us / 1e6};
}

Fractions Fractions::all(double fraction) {
    Fractions result;
    result.of.fill(fraction);
    return result;
}

Result<Board> board_of(const BoardProfile& profile, const std::string& name, const BoardSettings& settings,
                       const Fractions& fractions) {
    Board board{.name = name, .profile = profile.name, .part = profile.part.value};
    const auto way = way_of(profile, name, settings);
    if (!way) return fail(way.error());
    board.way = *way;
    board.slots = settings.slots     ? *settings.slots
                  : profile.fabric ? static_cast<std::size_t>(profile.fabric->slots.value)
                                   : 1;
    if (board.slots < 1 || board.slots > max_slots)
        return fail(Fault::invalid_input, "board '{}': {} slots; a board has 1 to {}", name, board.slots, max_slots);
    Resources part;
    for (std::size_t i = 0; i < Resources::kinds; ++i)
        part.of[i] = profile.resources.at(resource_names[i]).value / static_cast<std::int64_t>(board.slots);
    board.whole = part;
    if (!profile.fabric && part != Resources{})
        return fail(Fault::invalid_input, "board '{}': the profile '{}' says no clock; add a [fabric] section to it", name,
                    profile.name);
    board.clock_hz = profile.fabric ? profile.fabric->clock_mhz.value * 1e6 : 1;  // nothing is computed at it
    board.usable = times(part, fractions.of);
    read_processor(profile, board);
    return board;
}

Result<Cluster> cluster_of(const BoardProfile& profile, std::size_t count, const Fractions& fractions) {
    if (count < 1 || count > max_boards)
        return fail(Fault::invalid_input, "{} boards; there can be 1 to {}", count, max_boards);
    Cluster cluster;
    for (std::size_t i = 0; i < count; ++i) {
        auto board = board_of(profile, fmt::format("{}-{}", profile.name, i), {}, fractions);
        if (!board) return fail(board.error());
        cluster.boards.push_back(std::move(*board));
    }
    cluster.client = cluster.boards.front().way;
    return cluster;
}

void put_client_on_board(Cluster& cluster, std::size_t board) { cluster.input_at = cluster.output_at = board; }

std::size_t slots_of(const Cluster& cluster) {
    std::size_t slots = 0;
    for (const auto& board : cluster.boards)
        slots += board.slots;
    return slots;
}

bool same_fabric(const Board& a, const Board& b) {
    return a.profile == b.profile && a.usable == b.usable && a.clock_hz == b.clock_hz;
}

}  // namespace fard::splitter
