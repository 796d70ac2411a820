// The boards as this node manager last heard of them.
#pragma once

#include <deque>
#include <map>
#include <vector>

#include "base/loop.hpp"
#include "runtime/node_manager/board.hpp"
#include "runtime/node_manager/directory.hpp"
#include "runtime/peer/mesh.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

class ClusterView final : public Directory {
  public:
    ClusterView(const Mesh& mesh, const Board& board, TimePoint started) : mesh_(mesh), board_(board), started_(started) {}

    void heard(const PeerId& board, const wire::BoardState& state) { states_[board] = state; }
    void joined(const PeerId& board, TimePoint now) { since_.emplace(board, now); }
    void lost(const wire::Member& board, const std::string& why, TimePoint now);

    std::vector<BoardView> boards() const override;
    // Also members that have not published yet; this board first.
    std::vector<wire::BoardRow> rows(TimePoint now) const;
    std::vector<wire::LostBoard> lost_boards(TimePoint now) const;  // of the last ten minutes, the latest first

  private:
    const Mesh& mesh_;
    const Board& board_;
    const TimePoint started_;
    std::map<PeerId, wire::BoardState> states_;  // of the others
    std::map<PeerId, TimePoint> since_;          // when they became members
    struct Lost {
        wire::LostBoard board;
        TimePoint at;
    };
    std::deque<Lost> lost_;
};

}  // namespace fard
