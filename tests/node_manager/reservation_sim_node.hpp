// One simulated node manager: a board (lease table, jobs that take time to be reaped) and the coordinator of
// the attempts that clients gave to it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/node_manager/leases.hpp"
#include "runtime/node_manager/reserver.hpp"
#include "tests/fakes/sim_network.hpp"

namespace fard::sim {

class Node;

struct BoardOffer {  // a board as a coordinator sees it
    PeerId board;
    std::vector<wire::DeviceState> devices;
};

enum class Outcome { finished, impossible, ended };
enum class Event { firm, wound, rewiring, overslept, expired_jobs };

// What a node needs of the simulation around it.
class Surroundings {
  public:
    virtual ~Surroundings() = default;
    virtual SimRandom& random() = 0;
    virtual SimNetwork& network() = 0;
    virtual std::vector<BoardOffer> offers(const PeerId& seen_by) = 0;
    virtual Node* node(const PeerId& id) = 0;
    // Whether the client has left this attempt for a later one at least that long ago.
    virtual bool superseded_for(const RunId& run, std::uint32_t attempt, Duration time) = 0;
    virtual void attempt_ended(const RunId& run, std::uint32_t attempt, Outcome outcome) = 0;
    virtual void note(Event event) = 0;
    virtual void trace(const std::string& line) = 0;
    virtual bool tracing() const = 0;
    virtual void violated(const std::string& what) = 0;
};

// The board's half, with what an observer knows of it beside the table.
class SimBoard {
  public:
    SimBoard(Surroundings& around, SimPeer& peer, std::vector<wire::DeviceState> devices);

    void handle(const PeerId& from, const wire::Body& body, const Reply& reply);
    void kill_own_jobs(const RunId& run);  // the run's jobs die by themselves

    const LeaseTable& table() const { return table_; }
    std::size_t jobs() const { return jobs_.size(); }
    // Whether a coordinator that believes this lease firm may be right.
    bool firm_or_run_out(const RunId& run, Epoch epoch, const PeerId& coordinator) const;
    Duration silent_for(const RunId& run, Epoch epoch) const;  // since its coordinator last renewed
    void check();  // each invariant, if anything has happened since the last check

  private:
    using Key = std::pair<RunId, Epoch>;
    struct Job {
        Key of;
        std::size_t device;
    };
    struct Asked {  // what the observer has seen of a run's RESERVEs and RELEASEs
        Epoch highest;
        std::vector<wire::SlotRequest> slots;
        std::optional<Epoch> released;
        TimePoint at;
    };

    void observe(const wire::Reserve& reserve, bool taken);
    void spawn(const wire::Spawn& spawn, const Reply& reply);
    void start_jobs(const wire::Spawn& spawn, const Reply& reply);
    void end_jobs(const RunId& run, Epoch up_to);
    void reap(const RunId& run, Epoch up_to);
    void arm();
    void check_slots();
    void check_leases();
    void check_order();
    void violated(const std::string& what);
    TimePoint now() const { return peer_.loop().now(); }

    Surroundings& around_;
    SimPeer& peer_;
    LeaseTable table_;
    std::vector<Job> jobs_;
    std::map<RunId, Asked> asked_;
    std::map<Key, TimePoint> heard_;  // when a RESERVE, COMMIT or RENEW was last accepted
    std::vector<LeaseTable::Row> before_;
    TimePoint armed_ = TimePoint::max();
    Loop::TimerId timer_ = 0;
    bool dirty_ = false;
};

// One attempt at a run, by one coordinator.
class Attempt {
  public:
    Attempt(Surroundings& around, SimPeer& peer, RunId run, std::uint64_t ticket, std::uint32_t attempt,
            std::uint32_t jobs, Duration work);
    ~Attempt();

    void start();
    void lose_job();  // something of it was lost: next wiring
    void board_gone(const PeerId& board);
    Reserver& reserver() { return reserver_; }
    bool ended() const { return ended_; }
    bool running() const { return work_timer_ != 0; }
    TimePoint started() const { return started_; }

  private:
    void rewire();
    void rewire_soon();
    bool choose_places();
    void on_reserved();
    void spawn();
    void work();
    void each_second();
    void end(Outcome outcome);

    Surroundings& around_;
    SimPeer& peer_;
    RunId run_;
    std::uint64_t ticket_;
    std::uint32_t jobs_;
    Duration work_;
    Epoch epoch_;
    TimePoint started_, last_second_;
    std::map<PeerId, std::vector<wire::SlotRequest>> wanted_;
    std::set<PeerId> avoided_;
    std::size_t answers_missing_ = 0;
    int rewirings_ = 0;
    Loop::TimerId rewire_timer_ = 0, work_timer_ = 0, second_timer_ = 0;
    bool ending_ = false, ended_ = false;
    Reserver reserver_;
};

class Node {
  public:
    Node(Surroundings& around, SimPeer& peer, std::vector<wire::DeviceState> devices);

    void start_attempt(const RunId& run, std::uint64_t ticket, std::uint32_t attempt, std::uint32_t jobs,
                       Duration work);
    void peer_gone(const PeerId& peer);  // the membership says so
    void lose_job(const RunId& run);

    const PeerId& id() const { return peer_.id(); }
    SimPeer& peer() { return peer_; }
    SimBoard& board() { return board_; }
    const std::vector<wire::DeviceState>& devices() const { return board_.table().devices(); }
    bool attempts_ended() const;
    // Whether this attempt was under way before that time.
    bool attempt_since_before(const RunId& run, std::uint32_t attempt, TimePoint time) const;

    bool killed = false;
    TimePoint overslept_at;  // when it last woke from a sleep of more than 3 s

  private:
    void handle(const PeerId& from, const wire::Body& body, const Reply& reply);
    template <typename Decision>
    wire::Body to_reserver(const PeerId& from, const Decision& decision);

    Surroundings& around_;
    SimPeer& peer_;
    SimBoard board_;
    std::map<std::pair<RunId, std::uint32_t>, std::unique_ptr<Attempt>> attempts_;
};

}  // namespace fard::sim
