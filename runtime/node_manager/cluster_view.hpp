// The boards as this node manager last heard of them.
#pragma once

#include <map>
#include <vector>

#include "runtime/node_manager/board.hpp"
#include "runtime/node_manager/directory.hpp"
#include "runtime/peer/mesh.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

class ClusterView final : public Directory {
  public:
    ClusterView(const Mesh& mesh, const Board& board) : mesh_(mesh), board_(board) {}

    // Returns the packages that the board did not have before.
    std::vector<std::string> heard(const PeerId& board, const wire::BoardState& state);
    void lost(const PeerId& board) { states_.erase(board); }

    std::vector<BoardView> boards() const override;
    std::vector<wire::BoardRow> rows() const;  // also members that have not published yet; this board first

  private:
    const Mesh& mesh_;
    const Board& board_;
    std::map<PeerId, wire::BoardState> states_;  // of the others
};

}  // namespace fard
