// One run as its client sees it: submitted, fed, its results taken in order, exactly once, over as many
// coordinators as it needs.
//
//   knocking -> offering -> feeding -> finishing -> ended(summary | error)
//      ^            |          |           |
//      +------------+----------+           +-- a coordinator lost now costs nothing: every result is here
//        a coordinator is lost: the next member, the next attempt, the chunks without a result
//
// A coordinator is lost when its connection breaks and does not come back, when nothing has been heard of it
// for `silence`, or when it says that its attempt ended without fault of the run. Whatever comes of an older
// attempt is ignored.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "client/package_offer.hpp"
#include "client/results.hpp"
#include "client/submission_chunks.hpp"
#include "client/submission_route.hpp"
#include "client/submission_world.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

struct SubmissionTiming {
    Duration answer =
        std::chrono::milliseconds(1500);  // a node manager takes the run by then, or the next is asked
    Duration silence = std::chrono::milliseconds(1500);  // without any sign: the coordinator is lost
    Duration broken = std::chrono::milliseconds(150);    // a broken connection comes back by then
    Duration link_broken = std::chrono::milliseconds(250);  // then a broken link is the coordinator's loss
    Duration alive = std::chrono::milliseconds(500);     // between two CLIENT_ALIVE
    Duration offer = std::chrono::seconds(20);           // one piece of a package is taken by then
    Duration finish = std::chrono::seconds(15);          // jobs are reaped by then once every result is here
    Duration cancel = std::chrono::seconds(5);
    // A run that coordinators take again and again ends, if nothing came of it so often and for so long.
    std::uint32_t takings_in_vain = 12;
    Duration in_vain = std::chrono::seconds(15);
    Duration taken_down = std::chrono::seconds(3);  // from a farewell on nobody listens anywhere: they do not come back
    SubmissionRoute::Options route;
};

struct SubmissionTerms {
    wire::AppSpec app;
    std::map<std::string, std::shared_ptr<const std::string>>
        archives;                           // packages by id, to offer what is missing
    std::vector<Address> doors;             // front doors, best first
    std::string owner;                      // who submits it, for people: "ann@desk"
    bool on_board = false;                  // the client is on the board of the first of these doors
    TimePoint deadline = TimePoint::max();  // of the whole run
    SubmissionTiming timing;
};

// How far a run has got, for people.
struct Progress {
    RunId run;
    std::string phase;   // as in RUN_STATE, or "submitting"
    std::string reason;  // why it waits, "" for nothing
    std::uint64_t chunks = 0, results = 0;
    std::uint32_t attempt = 0;
    std::uint64_t ticket = 0;  // 0 until a node manager has taken the run
};

// Lives on one loop; destroyed on it, not within one of its events. Destroying it leaves a run that has not
// ended to its coordinator, which ends it after 10 s.
class Submission {
  public:
    struct Events {
        std::function<void(Chunk)> result;              // in order, each index once
        std::function<void(const Progress&)> progress;  // on change and twice a second
        std::function<void(Result<RunSummary>)> ended;  // once, the last of all
    };
    Submission(Loop& loop, SubmissionWorld& world, SubmissionTerms terms, SubmissionChunks chunks,
               Events events);
    ~Submission();

    const RunId& run() const { return run_; }

    // Ends the run; `ended` follows with this error once the coordinator has freed the boards, or after the
    // deadline.
    void cancel(Error why);

  private:
    enum class Phase { knocking, offering, feeding, finishing, cancelling, ended };

    void knock();
    void knock_at(const Address& door);
    void submitted(Result<wire::Body> answer);
    void admitted(const wire::Admitted& admitted);
    void offered();
    void offer_failed(const Error& why);
    void feed();
    void take(Chunk chunk);
    void finish();
    void finished(const Result<wire::Body>& answer);

    void message(const wire::Body& body);
    void run_state(const wire::RunState& state);
    void disconnected();
    void absent();
    void link_broke(const Error& why);
    bool connect();  // to where chunks go, once the coordinator has bound it
    void lost(const std::string& why, bool absent = false);
    bool was_taken_down() const;
    bool goes_round() const;
    void refused(const Error& why);
    void tick();
    void heard() { heard_ = loop_.now(); }
    void report();
    void end(Result<RunSummary> outcome);
    RunSummary summary(const std::string& note) const;

    // A handler that does nothing once this attempt is over or the submission is gone.
    template <typename Handler>
    auto guarded(Handler handler);
    void leave();  // closes door and links, not within one of their handlers

    Loop& loop_;
    SubmissionWorld& world_;
    SubmissionTerms terms_;
    SubmissionChunks chunks_;
    Events events_;
    RunId run_;
    RunTimes times_;
    SubmissionRoute route_;

    Phase phase_ = Phase::knocking;
    std::uint32_t attempt_ = 0;
    std::uint32_t coordinators_ = 0;  // that took the run
    std::uint32_t in_vain_ = 0;       // of these, since the last result
    TimePoint in_vain_since_;
    bool first_ = true;  // no attempt was made yet
    std::uint64_t ticket_ = 0;
    std::unique_ptr<Door> door_;
    std::string door_name_;
    std::unique_ptr<ClientLinks> links_;
    bool connected_ = false;  // in this attempt
    bool moved_away_ = false;  // an attempt went to another board than the client's
    int absences_ = 0;        // in this attempt: nobody listened at the door
    std::unique_ptr<PackageOffer> offer_;
    std::set<std::string> offers_refused_;  // doors whose node managers could not take the packages
    bool found_corrupt_ = false;            // one of them was offered whole, and was not what its id says there
    wire::RunState state_;  // the last one of this attempt
    std::uint64_t earlier_replays_ = 0, earlier_duplicates_ = 0,
                  earlier_reloads_ = 0;  // of lost coordinators
    std::optional<Error> refusal_;       // of the last node manager that was asked
    Error why_cancelled_;
    std::string farewell_;  // of the last coordinator, where it said one
    TimePoint farewell_at_;
    TimePoint heard_;
    TimePoint next_tick_;
    Loop::TimerId tick_ = 0, again_ = 0, broken_ = 0;
    std::shared_ptr<std::uint64_t> generation_ = std::make_shared<std::uint64_t>(0);  // raised by leave()
};

}  // namespace fard
