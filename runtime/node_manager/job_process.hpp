// One job's process as the job host sees it, and who starts it: the seam behind which tests have in-memory
// jobs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/child_process.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "runtime/peer/body.hpp"
#include "runtime/peer/message_parts.hpp"

namespace fard {

// Lives on the node manager's loop. Destroying it kills the process and reaps it; no event is called after
// that.
class JobProcess {
  public:
    struct Events {
        std::function<void(const wire::Body&)>
            said;  // a JOB_* message; malformed ones are dropped and logged
        // Once, after it was reaped and everything it said was passed on; may destroy the JobProcess.
        std::function<void(const ChildExit&, const std::string& last_words)> exited;
        std::function<void(const std::string& line)> printed;  // on its standard output or error; may be none
    };
    struct Busy {  // it is inside process()
        TimePoint since;
        std::uint64_t chunk = 0;
    };

    struct Signs {  // of its life and its links, as its page has them
        std::uint64_t looked_ns = 0;  // another value each time that it has looked at its control channel
        std::uint8_t step = 0;        // as in wire::JobProgress, like the next one
        std::uint64_t unopened = 0;
        bool stopped = false;  // by a signal or a debugger, as the kernel says
    };

    virtual ~JobProcess() = default;
    virtual Result<> tell(const wire::Body& body) = 0;  // errors: io (it does not take messages any more)
    virtual void kill() = 0;
    virtual std::optional<Busy> busy() const = 0;
    virtual Signs signs() const = 0;
    virtual wire::JobStats totals() const = 0;          // as its page has them now
    virtual const std::string& link_place() const = 0;  // JOB_CONFIG's link_place
};

struct JobStart {  // what a job starts with besides its control channel and its page. Descriptors stay the caller's; -1: none
    int device = -1;        // what comes with its device
    int board = -1;         // an emulated board's memory
    std::filesystem::path overlay = {};  // the directory of the package that its next job is to find made ready; "": none is
};

class JobSpawner {
  public:
    virtual ~JobSpawner() = default;
    // Starts a program of the board's jobs directories. Errors: invalid_input (not a program's name),
    // not_found (no such program: says where it was looked for), io.
    virtual Result<std::unique_ptr<JobProcess>> spawn(const std::string& program, const JobStart& more,
                                                      JobProcess::Events events) = 0;
    virtual std::vector<std::string> programs() = 0;  // that spawn() would start, in order
};

struct ProcessSpawnerOptions {
    std::vector<std::filesystem::path> jobs_dirs;  // searched in this order
    std::string
        link_place;  // ipc: a directory, in which each job gets one of its own, gone with it; tcp: an address
    bool link_directories = true;  // link_place is such a directory
    int nice = 5;                  // below the heartbeat thread
    std::size_t parked_jobs = 0;   // programs kept loaded, for their next job (parked_jobs.hpp)
};

// Real processes; runtime/peer/job_page.hpp has the numbers of their descriptors.
std::unique_ptr<JobSpawner> make_process_spawner(Loop& loop, ProcessSpawnerOptions options);

}  // namespace fard
