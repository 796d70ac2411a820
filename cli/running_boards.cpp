#include "cli/running_boards.hpp"

#include <algorithm>

namespace fard::cli {
namespace {

using namespace splitter;

constexpr double usual_mbit = 1000, usual_us = 50;  // of computers, whose port no profile knows

Result<BoardProfile> profile_of(const wire::BoardRow& row, const std::filesystem::path& profiles) {
    std::error_code ignored;
    for (const auto& label : row.state.labels)
        if (label.find('/') == label.npos && std::filesystem::exists(profiles / (label + ".toml"), ignored))
            return load_board_profile(profiles, label);
    return load_board_profile(profiles, "computer");
}

struct Asked {
    std::optional<std::size_t> board;  // its number, where something can be planned on it
    bool apart = false;                // from this machine
};

Asked asked_in(const wire::Status& status, const Cluster& cluster) {
    const auto row = std::ranges::find(status.boards, status.peer, [](const wire::BoardRow& one) { return one.member.peer; });
    if (row == status.boards.end()) return {};
    const auto found = std::ranges::find(cluster.boards, row->member.name, &Board::name);
    if (found == cluster.boards.end()) return {};
    return {static_cast<std::size_t>(found - cluster.boards.begin()), !row->member.front_door.is_on_this_machine()};
}

}  // namespace

Result<Cluster> running_boards(const wire::Status& status, const std::filesystem::path& profiles,
                               const Fractions& fractions, bool client_on_board) {
    Cluster cluster;
    for (const auto& row : status.boards) {
        BoardSettings settings;
        std::size_t slots = 0;
        const bool fabric = std::ranges::any_of(row.state.devices, [](const auto& device) { return !device.part.empty(); });
        for (const auto& device : row.state.devices)
            if (device.healthy && device.part.empty() != fabric) slots += device.slots;
        if (slots == 0) continue;
        settings.slots = slots;
        const auto profile = profile_of(row, profiles);
        if (!profile) return fail(profile.error());
        if (!profile->network) settings.mbit_per_s = usual_mbit, settings.latency_us = usual_us;
        auto board = board_of(*profile, row.member.name, settings, fractions);
        if (!board) return fail(board.error());
        cluster.boards.push_back(std::move(*board));
    }
    if (cluster.boards.empty()) return fail(Fault::invalid_input, "no board of the cluster has a healthy device; see `fard status`");
    // A client of emulated boards counts as one of them.
    const bool emulated = std::ranges::any_of(status.boards, [](const wire::BoardRow& row) {
        return std::ranges::any_of(row.state.devices, [](const auto& device) { return device.kind == "emulated"; });
    });
    const auto asked = asked_in(status, cluster);
    if (!emulated && asked.apart) cluster.coordinator = asked.board;
    if (client_on_board && !asked.board)
        return fail(Fault::invalid_input, "--on-board: the board that is asked has no healthy device; see `fard status`");
    if (client_on_board) put_client_on_board(cluster, *asked.board);
    cluster.client = emulated ? cluster.boards.front().way : way_at(usual_mbit, usual_us);
    return cluster;
}

}  // namespace fard::cli
