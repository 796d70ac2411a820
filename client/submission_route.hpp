// Which node manager a run goes to next, and when there is nobody left. Pure: time comes in as an argument.
//
// The members are tried in the order in which the last coordinator listed them, the one after the lost one
// first; then round again (a board may have come back), with a pause between two rounds, until nobody has
// taken the run for `give_up_after`.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/message_parts.hpp"

namespace fard {

class SubmissionRoute {
  public:
    struct Options {
        Duration give_up_after = std::chrono::seconds(10);
        Duration pause = std::chrono::milliseconds(200);  // between two rounds
    };
    // `doors`: front doors to begin with, best first; not empty.
    SubmissionRoute(std::vector<Address> doors, TimePoint now, Options options);

    struct Step {
        Address door;
        TimePoint not_before;  // now, or after the pause
    };
    // The next front door to knock at. Errors: unreachable, naming everybody who was tried and what came of
    // it.
    Result<Step> next(TimePoint now);

    // What came of the door that next() gave last: it took the run ...
    void taken(const std::vector<wire::Member>& members);
    // ... or it did not answer, or its node manager was lost later.
    void lost(const std::string& why, TimePoint now, bool absent = false);  // absent: nobody listens there

    // Nobody listened at any of the doors when it was last tried, since the run was last taken.
    bool all_absent() const;
    std::string doors_text() const;

    // Everybody who is known has been tried since the run was last taken.
    bool round_over() const { return untried_.empty(); }

    // The members as the coordinator knows them now.
    void members(const std::vector<wire::Member>& members);

  private:
    struct Tried {
        Address door;
        std::string why;
        bool absent = false;
    };
    std::vector<Address> doors_;  // the known ones, in the order of trial
    Address current_;
    std::vector<Address> untried_;  // of this round
    std::vector<Tried> tried_;          // since the run was last taken
    bool held_ = false;                 // a node manager has the run
    TimePoint since_;                   // when the run was submitted, or its last holder was lost
    Options options_;
};

}  // namespace fard
