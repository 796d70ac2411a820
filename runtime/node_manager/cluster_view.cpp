#include "runtime/node_manager/cluster_view.hpp"

#include <algorithm>

#include "runtime/peer/messages_client.hpp"

namespace fard {

namespace {

constexpr auto lost_memory = std::chrono::minutes(10);
constexpr std::size_t most_lost = 100;
constexpr auto unheard_for = std::chrono::seconds(4);  // longer than any that lives is silent

std::uint64_t milliseconds(Duration duration) {
    const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, count));
}

}  // namespace

std::vector<BoardView> ClusterView::boards() const {
    std::vector<BoardView> views{{mesh_.self(), board_.state()}};
    for (const auto& member : mesh_.members()) {
        const auto state = states_.find(member.peer);
        if (mesh_.silent_for(member.peer) > unheard_for) continue;  // it would hear what it is to do, and nobody its answer
        if (state != states_.end()) views.push_back({member, state->second});
    }
    return views;
}

void ClusterView::lost(const wire::Member& board, const std::string& why, TimePoint now) {
    states_.erase(board.peer);
    since_.erase(board.peer);
    lost_.push_front({{board.name, board.front_door.text(), 0, why}, now});
    if (lost_.size() > most_lost) lost_.pop_back();
}

std::vector<wire::LostBoard> ClusterView::lost_boards(TimePoint now) const {
    std::vector<wire::LostBoard> boards;
    for (const auto& lost : lost_) {
        if (now - lost.at > lost_memory) break;
        const auto back = std::ranges::any_of(mesh_.members(), [&](const wire::Member& member) {
            return member.name == lost.board.name && member.front_door.text() == lost.board.front_door;
        });
        if (back) continue;
        boards.push_back(lost.board);
        boards.back().ago_ms = milliseconds(now - lost.at);
    }
    return boards;
}

std::vector<wire::BoardRow> ClusterView::rows(TimePoint now) const {
    std::vector<wire::BoardRow> rows{{mesh_.self(), board_.state(), 0, milliseconds(now - started_)}};
    for (const auto& member : mesh_.members()) {
        if (member.peer == mesh_.self().peer) continue;
        const auto state = states_.find(member.peer);
        const auto since = since_.find(member.peer);
        rows.push_back({member, state == states_.end() ? wire::BoardState{} : state->second,
                        milliseconds(mesh_.silent_for(member.peer)),
                        since == since_.end() ? 0 : milliseconds(now - since->second)});
    }
    return rows;
}

}  // namespace fard
