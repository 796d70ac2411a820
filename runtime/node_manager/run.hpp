// One run as its coordinator sees it, from ADMITTED to done: what happens when. What it asks for and where its jobs go is
// its RunPlan; how they are connected, its Wiring.
//
//   admitted -> placed -> wired -> running -> draining -> done
//        \         \        |         |           |
//         \         <-------+---------+  (a loss: next wiring)
//          +----> failed | cancelled | lost  from any of them
//
// `admitted`: packages and places are waited for; where too few slots are left, they are for some seconds, since boards
// return. `placed`: every lease is firm, jobs are being spawned.
// `wired`: links are being opened. `lost`: this attempt ended without fault of the run (leases lost to a
// higher attempt, or this process slept); the client goes on with the next attempt elsewhere.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/alarm.hpp"
#include "base/lifetime.hpp"
#include "base/loop.hpp"
#include "runtime/node_manager/chunk_ledger.hpp"
#include "runtime/node_manager/directory.hpp"
#include "runtime/node_manager/gathering.hpp"
#include "runtime/node_manager/log.hpp"
#include "runtime/node_manager/memory_budget.hpp"
#include "runtime/node_manager/reserver.hpp"
#include "runtime/node_manager/run_ends.hpp"
#include "runtime/node_manager/run_plan.hpp"
#include "runtime/node_manager/run_watch.hpp"
#include "runtime/node_manager/wiring.hpp"
#include "runtime/peer/courier.hpp"
#include "runtime/peer/messages_client.hpp"

namespace fard {

// What a run needs of the node manager around it. All of it outlives the run.
struct RunSurroundings {
    Loop& loop;
    Courier& courier;
    const Directory& directory;
    std::function<bool(const std::string& package)> has_package;                    // in this board's store
    std::function<void(const PeerId& client, const wire::Body& body)> tell_client;  // dropped if it is gone
    std::function<std::uint64_t()> next_ticket;
    std::function<PublicKey(const PeerId& client)> key_of;  // of a client; empty without keys
    std::function<Result<std::unique_ptr<RunEnds>>(const RunEndsTerms&, ChunkLedger&, RunEnds::Events)>
        make_ends;
    Log* log = &Log::none();  // what becomes of runs
    MemoryBudget memory;
    wire::NetworkWay client_port = {};  // that clients are to keep to, where this board is an emulated one
};

class Run {
  public:
    // `on_end` is called once, when the run has ended and holds nothing any more; not from within the
    // constructor.
    static Result<std::unique_ptr<Run>> start(RunSurroundings& surroundings, PeerId client,
                                              const wire::Submit& submit, std::function<void()> on_end);
    ~Run();

    const wire::Admitted& admitted() const { return admitted_; }
    std::uint32_t attempt() const { return epoch_.attempt; }
    wire::RunState state() const;

    void finish(Reply reply);
    void cancel(const std::string& why, Reply reply);
    const PeerId& client() const { return client_; }
    void client_alive(const PeerId& client);
    void say_farewell(const std::string& why);  // the last that its client hears of it; the run is destroyed after it

    wire::Body grant(const PeerId& board, const wire::Grant& grant);
    wire::Body wounded(const PeerId& board, const wire::Wounded& wounded);
    wire::Body job_lost(const PeerId& board, const wire::JobLost& lost);
    void board_lost(const PeerId& board, const std::string& why);

  private:
    enum class Phase { admitted, placed, wired, running, draining, done, failed, cancelled, lost };
    static const char* name_of(Phase phase);

    Run(RunSurroundings& surroundings, PeerId client, const wire::Submit& submit,
        std::function<void()> on_end);
    Result<> prepare();

    // The algorithm, in the order in which it runs.
    void place();
    void spawn();
    Result<> make_ends();
    void unwire();
    void wire_up();
    Duration turn_patience() const;
    void check_wired();
    std::string of_attempt() const;
    void drain();
    void end(Phase phase, Error why);

    void rewire(const std::vector<std::uint32_t>& positions, const PeerId& board, const std::string& why);
    void next_wiring(const std::string& why);
    void note_results();
    void broke(const std::string& why, bool unopened = false);  // what nobody in particular is to blame for, or only this once
    void stands_still(const RunWatch::Standstill& standstill);
    void watch_progress();
    void watch_client();
    bool place_now();
    Ticket ticket() const { return {admitted_.ticket, plan_.submit().run}; }
    std::string where_unopened(const RunWatch::Standstill& standstill) const;
    PeerId board_of(const std::optional<RunWatch::Job>& job) const;
    const PeerId& self() const { return admitted_.members.front().peer; }
    std::uint64_t chunks_left() const { return plan_.submit().chunks - std::min(plan_.submit().chunks, ledger_.results()); }
    bool complete() const;  // every chunk of this attempt has its result: a loss costs nothing any more
    void later(std::function<void()> callback);
    void on_board_fault(const PeerId& board, const Error& error, const std::string& step);
    void reserve();
    void conclude();
    void ask_boards(const std::function<wire::Body(const PeerId&)>& make, Duration deadline, const char* step,
                    std::function<Result<>(const PeerId&, const wire::Body&)> take,
                    std::function<void()> then);
    template <typename... Args>
    void note(LogLevel level, fmt::format_string<Args...> format, Args&&... args) const {
        around_.log->write(level, plan_.submit().run, "run", fmt::format(format, std::forward<Args>(args)...));
    }
    void wait_for(const std::string& what);  // says so, once
    void tell();
    void tick();
    bool over() const { return phase_ >= Phase::done || ending_; }
    bool current(Epoch epoch) const { return epoch == epoch_ && !over(); }

    RunSurroundings& around_;
    PeerId client_;
    RunPlan plan_;
    std::function<void()> on_end_;

    Phase phase_ = Phase::admitted;
    bool ending_ = false;  // the outcome is set, boards are being freed
    Phase outcome_ = Phase::done;
    Error why_;
    std::string waiting_for_;
    std::string lost_board_;  // the last one that it had a place on, and why, until it is placed again; "" for none
    Epoch epoch_;
    wire::Admitted admitted_;

    ChunkLedger ledger_;
    RunPlan::Left left_;  // of this wiring
    std::unique_ptr<RunEnds> ends_;
    std::unique_ptr<Reserver> reserver_;
    Wiring wiring_;
    RunWatch watch_;
    Alarm place_alarm_;
    std::optional<TimePoint> placeless_since_;  // there are too few slots
    std::size_t answers_missing_ = 0;  // boards that have not answered this step
    bool ends_open_ = false, jobs_linked_ = false;
    std::unique_ptr<Gathering> gathering_;

    std::map<std::uint32_t, int> losses_;  // per position, since the last new result
    int breaks_ = 0;                       // of links, and standstills, since the last new result
    int unopened_ = 0;                     // of these: a link did not open
    std::uint64_t results_at_loss_ = 0;
    std::vector<wire::JobReport> reports_;
    std::vector<Reply> finish_replies_, cancel_replies_;
    TimePoint taken_at_, client_heard_;
    TimePoint ticked_, woke_;  // woke_: when this process last came back after it had slept; who was silent till then may not have been
    bool client_link_lost_ = false;
    Loop::TimerId tick_ = 0;
    Lifetime lifetime_;  // for callbacks that outlive the run
};

}  // namespace fard
