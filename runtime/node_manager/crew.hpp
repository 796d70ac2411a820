// The jobs of one run on this board under one epoch. The life cycle is in job_host.hpp, whose part this is.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/alarm.hpp"
#include "runtime/node_manager/job_host.hpp"
#include "runtime/node_manager/turn_keeper.hpp"

namespace fard {

class Crew {
  public:
    using PackageDirs = std::map<std::string, std::filesystem::path>;
    using SpawnDone = std::function<void(Result<wire::Spawned>)>;
    using WireDone = std::function<void(Result<>)>;
    using DrainDone = std::function<void(Result<wire::Drained>)>;

    struct Around {  // outlives the crew
        Loop& loop;
        JobSpawner& spawner;
        const JobHostOptions& options;
        std::function<void(const wire::JobLost&)> lost;
        std::function<void(Loop::Callback)> later;  // from the loop, unless the host is gone by then
    };

    // `over` is called (from the loop) when the crew has ended and all its jobs are reaped.
    Crew(Around& around, wire::Spawn spawn, std::function<void()> over);
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    void start(const PackageDirs& package_dirs, SpawnDone done);
    void wire(const wire::Wire& wire, WireDone done);
    void drain(DrainDone done);
    void kill(std::function<void()> reaped);
    std::size_t alive() const;
    std::vector<wire::JobProgress> progress() const;

  private:
    struct Member {
        wire::JobKey key;
        wire::JobSpec spec;
        std::unique_ptr<JobProcess> process;  // null once reaped
        std::uint32_t slot = 0;               // of its device
        bool seated = false;                  // has it
        bool device_busy = false;             // it loads, so that no chunk moves
        std::uint64_t chunks_seen = 0;        // when it last spoke of its device
        bool up = false;
        bool linked = false;
        std::vector<wire::LinkEndpoint> links;
        std::optional<Error> failure;  // what JOB_FAILED said
        std::string killed_for;        // why we killed it alone
        std::string cause;             // why it was lost, once it is
        std::optional<wire::JobStats> stats;
        std::unique_ptr<Alarm> impatience;  // after JOB_FAILED
        std::uint64_t looked_ns = 0;        // its last sign of life outside of process(), and when we saw it
        TimePoint looked;
    };

    void share_slots();
    std::size_t turnless() const;
    Result<DeviceKeeper::Seat> take_seat(const Member& member, const std::filesystem::path& package);
    std::size_t number_of(const Member& member) const;
    void tell_turn(std::size_t number, const wire::JobTurn& turn);
    Result<> start_member(Member& member, const PackageDirs& package_dirs);
    void leave_seat(Member& member);
    void said(Member& member, const wire::Body& body);
    void exited(Member& member, const ChildExit& exit, const std::string& last_words);
    Result<> check_wiring(const wire::Wire& wire) const;
    void check_up();
    void check_linked();
    void check_reaped();
    void watch_jobs();
    void watch_chunk(Member& member);
    void watch_life(Member& member, bool overslept);
    void tell(Member& member, const wire::Body& body);
    void kill_for(Member& member, std::string why);
    void fail_spawn(Error error);
    void end_wire(Result<> result);
    void kill_all();
    wire::Drained report() const;
    static std::string label(const Member& member);  // in the log: "p0 'stem'", "p0.1 'stem'"
    std::string describe(const Member& member) const;
    std::string describe_those(const std::function<bool(const Member&)>& which) const;
    Member* find(const wire::JobKey& key);

    Around& around_;
    wire::Spawn spawn_;
    std::function<void()> over_;
    std::vector<std::unique_ptr<Member>> members_;
    std::unique_ptr<TurnKeeper> turns_;  // null: each job has its slot to itself
    bool ended_ = false;  // killed, drained or never up: what exits now is no loss
    bool up_ = false;
    bool wired_ = false;
    SpawnDone spawn_done_;
    std::optional<Error> spawn_error_;
    WireDone wire_done_;
    DrainDone drain_done_;
    std::vector<std::function<void()>> reaped_;
    Alarm deadline_;  // of the step that is under way
    Alarm watch_;
    TimePoint watched_;
};

}  // namespace fard
