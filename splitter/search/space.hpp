// The boards of a cluster as a search sees them: those that nothing tells apart are of one kind and only counted.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "splitter/cost/cluster.hpp"

namespace fard::splitter {

struct Kind {
    std::vector<std::size_t> boards;  // of the cluster
    std::size_t capacity = 0;         // stages that they hold together
    std::size_t fabric = 0;           // number of the fabric that they have
    // Its one board can hold several stages, or is where the input or the result is: what it does is kept.
    bool tracked = false;
    // A tracked kind before this one that nothing tells apart from it until one of them is used: they are opened in order.
    std::optional<std::size_t> twin;
};

struct Space {
    std::vector<Kind> kinds;
    std::vector<std::size_t> kind_of;          // by board
    std::vector<std::size_t> fabrics;          // for each fabric a board that has it
    std::size_t slots = 0;                     // of all boards
    bool any_tracked = false;

    explicit Space(const Cluster& cluster);
    const Board& board(const Cluster& cluster, std::size_t kind) const { return cluster.boards[kinds[kind].boards.front()]; }

  private:
    std::optional<std::size_t> twin_of(const Cluster& cluster, std::size_t board) const;
};

// How many slots of each kind hold the replicas of one stage. All of one fabric.
struct Placement {
    std::vector<std::size_t> slots;  // by kind
    std::size_t replicas = 0;
    std::size_t fabric = 0;
};

// All of them with at most `replicas` replicas; where there are more than `most`, those on one kind, and on kinds that follow each
// other with one slot of each, or as many as they have; `complete` becomes false then.
std::vector<Placement> placements(const Space& space, std::size_t replicas, std::size_t most, bool& complete);

}  // namespace fard::splitter
