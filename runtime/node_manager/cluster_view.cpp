#include "runtime/node_manager/cluster_view.hpp"

#include <algorithm>

#include "runtime/peer/messages_client.hpp"

namespace fard {

std::vector<std::string> ClusterView::heard(const PeerId& board, const wire::BoardState& state) {
    auto& known = states_[board];
    std::vector<std::string> fresh;
    for (const auto& package : state.overlays) {
        if (std::ranges::find(known.overlays, package) == known.overlays.end()) fresh.push_back(package);
    }
    known = state;
    return fresh;
}

std::vector<BoardView> ClusterView::boards() const {
    std::vector<BoardView> views{{mesh_.self(), board_.state()}};
    for (const auto& member : mesh_.members()) {
        const auto state = states_.find(member.peer);
        if (state != states_.end()) views.push_back({member, state->second});
    }
    return views;
}

std::vector<wire::BoardRow> ClusterView::rows() const {
    std::vector<wire::BoardRow> rows{{mesh_.self(), board_.state(), 0}};
    for (const auto& member : mesh_.members()) {
        if (member.peer == mesh_.self().peer) continue;
        const auto state = states_.find(member.peer);
        const auto silent =
            std::chrono::duration_cast<std::chrono::milliseconds>(mesh_.silent_for(member.peer));
        rows.push_back({member, state == states_.end() ? wire::BoardState{} : state->second,
                        static_cast<std::uint64_t>(std::max<std::int64_t>(0, silent.count()))});
    }
    return rows;
}

}  // namespace fard
