// The jobs of this board. What runs together for one run under one epoch is a crew:
//
//   spawn -> starting -> up (SPAWNED) -> linking (WIRE) -> linked (DONE) -> draining -> drained: every job
//   reaped
//               |           |               |                |
//               +-----------+---------------+----------------+--> a job lost: on_lost, the others go on
//               any of them -> killed (their lease ended): every job reaped, nothing reported
//
// Every step has a deadline, after which the error names the jobs that did not answer.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/node_manager/device_keeper.hpp"
#include "runtime/node_manager/job_process.hpp"
#include "runtime/node_manager/log.hpp"
#include "runtime/peer/messages_board.hpp"

namespace fard {

struct JobHostOptions {
    std::string board;                                // name, for JOB_CONFIG and reports
    Log* log = &Log::none();                          // what jobs print
    DeviceKeeper* devices = nullptr;                  // the board's; outlives the host
    std::string link_transport = "ipc";               // "ipc" or "tcp"
    std::uint8_t security = 0;                        // as JOB_CONFIG has it
    Duration up_limit = std::chrono::seconds(10);     // from spawn until every job is up
    Duration link_limit =
        std::chrono::seconds(75);  // from WIRE until every job is linked (it loads its device)
    Duration life_limit = std::chrono::seconds(4);  // without a sign of life outside of process(), until SIGKILL
    Duration drain_limit = std::chrono::seconds(5);              // from DRAIN until SIGKILL
    Duration last_words_limit = std::chrono::milliseconds(500);  // from JOB_FAILED until SIGKILL
};

// Lives on the node manager's loop. Callbacks come from the loop, never from within the call that was given
// them.
class JobHost {
  public:
    // `lost` is called for each job that ended before DRAIN without having been killed by us for its lease.
    JobHost(Loop& loop, JobSpawner& spawner, JobHostOptions options,
            std::function<void(const wire::JobLost&)> lost);
    ~JobHost();  // kills and reaps every job; pending callbacks are dropped
    JobHost(const JobHost&) = delete;
    JobHost& operator=(const JobHost&) = delete;

    // Starts the jobs of a SPAWN; `package_dirs` has a verified directory for each overlay that they name. On
    // an error no job of it is left. Errors: those of JobSpawner, timed_out, failed (a job ended before it
    // was up; `lost` has been called), refused (there is such a crew already, or it was killed meanwhile),
    // not_found (no such device).
    void spawn(const wire::Spawn& spawn, const std::map<std::string, std::filesystem::path>& package_dirs,
               std::function<void(Result<wire::Spawned>)> done);

    // Tells the jobs where to push. Done when all of them are linked. Errors: timed_out, failed, refused (no
    // such crew, or it cannot be wired now), invalid_input (it does not fit the jobs that are here).
    void wire(const wire::Wire& wire, std::function<void(Result<>)> done);

    // Done when every job has reported and is reaped; one that does not end in time is killed, and its row
    // has what its page says. Errors: refused (no such crew, it is being drained, or was killed meanwhile).
    void drain(const RunId& run, Epoch epoch, std::function<void(Result<wire::Drained>)> done);

    // Kills the run's jobs of every epoch up to this one; `reaped` is called when none is left.
    void kill(const RunId& run, Epoch up_to, std::function<void()> reaped);

    std::size_t jobs() const;  // processes that are not reaped

    // How far the jobs of one epoch are; those that were lost are left out.
    std::vector<wire::JobProgress> progress(const RunId& run, Epoch epoch) const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard
