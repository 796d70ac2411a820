// The farthest cut that so many boards of each kind can bring the network to within a period: for many boards of few kinds,
// and, with everything that is uncertain taken for granted, a proof that a period cannot be kept.
//
// A way is decided by thresholds: a kind may send and take the cuts whose bytes do not exceed its own. `find` keeps half of a
// processor's time for each of the two sides and takes only what surely fits, so that what it finds is a plan. `refute` gives
// each side the whole, lets every slot be a board whose ways cost nothing where the board has several, and takes the least
// of each resource for itself.
#pragma once

#include <memory>
#include <optional>

#include "splitter/search/problem.hpp"

namespace fard::splitter {

class Lattice {
  public:
    explicit Lattice(Problem& problem);
    ~Lattice();

    // A plan whose every load is at most `period_s`, in the fewest slots. Nothing for clusters of too many kinds.
    std::optional<Plan> find(double period_s);
    bool can_find() const;

    // True: no plan keeps the period.
    bool refutes(double period_s);

  private:
    struct Member;
    Problem& problem_;
    std::vector<Member> members_;  // kinds, for find
    std::vector<Member> relaxed_;  // kinds, for refutes: few enough
    std::vector<std::unique_ptr<StageSolver>> merged_;
    struct Pass;
};

}  // namespace fard::splitter
