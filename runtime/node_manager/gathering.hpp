// The packages of a run on their way to its boards, before anything is reserved: so a run that waits for its
// packages, however long they take, holds nothing that others could use.
//
// Each board of the placement is asked to have what it lacks (GATHER), again and again, and fetches it by itself from
// all who have it or are getting it; this coordinator too, where the client's pieces come in. Moves no byte itself.
// When the rest is a matter of a moment, as far as one can see, the run goes on: boards that have theirs load meanwhile.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/lifetime.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/courier.hpp"
#include "runtime/peer/messages_board.hpp"

namespace fard {

// Lives on the loop of its run.
class Gathering {
  public:
    struct Events {
        // Every board has what it needs, or (once in the life of this) is about to: SPAWN waits for it.
        std::function<void()> ready;
        std::function<void(const PeerId& board, const Error& why)> board_failed;  // it cannot have it; once a board
        std::function<void()> progress;
    };
    using Wishes = std::map<PeerId, std::set<std::string>>;  // packages by board
    using Sources = std::function<std::vector<Address>(const PeerId& board, const std::string& package)>;

    Gathering(Loop& loop, Courier& courier, RunId run, Events events);
    ~Gathering();

    // In place of what was asked before. `sources` is asked anew for each question.
    void start(Wishes wishes, Sources sources);
    void stop();

    bool under_way() const { return !boards_.empty(); }
    TimePoint moved() const { return moved_; }  // when the last byte came, as far as we were told
    std::string text() const;                   // how far it is, and what it waits for; for people

  private:
    bool ready_soon() const;
    struct Row {
        std::uint64_t held = 0, total = 0;
        bool ready = false;
        std::string reason;
        int spoiled = 0;  // times that it arrived whole, and was not what its id says
    };
    struct Board {
        std::map<std::string, Row> packages;
        bool ready = false;
    };
    void ask(const PeerId& board);
    void answered(const PeerId& board, Result<wire::Body> answer);
    Result<> take(Board& board, const wire::Gathered& gathered, bool& again_soon);

    Loop& loop_;
    Courier& courier_;
    RunId run_;
    Events events_;
    Sources sources_;
    std::map<PeerId, Board> boards_;
    TimePoint moved_, began_;
    std::uint64_t gained_ = 0;  // bytes since then
    bool hurried_ = false;
    std::uint64_t generation_ = 0;  // of start
    Lifetime lifetime_;
};

}  // namespace fard
