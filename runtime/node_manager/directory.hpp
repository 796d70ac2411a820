// What a coordinator may know of the cluster's boards: the mesh's members and the state that each last
// published.
#pragma once

#include <vector>

#include "runtime/peer/messages_mesh.hpp"

namespace fard {

struct BoardView {
    wire::Member member;
    wire::BoardState state;
};

class Directory {
  public:
    virtual ~Directory() = default;
    // Every board that is a member and has published its devices, this one first.
    virtual std::vector<BoardView> boards() const = 0;
};

}  // namespace fard
