// Job programs that wait parked, so that the next job of the same program starts at once (base/parked_program.hpp).
//
//   find(job)   -> nullptr: the caller starts the program anew
//   allow(file) -> that job said that its program may be parked; soon after, it is
//   find(job)   -> the parked program
//   keep(job)   -> a job has ended, and the next one of its overlay is to find it made ready: soon after, one more is parked
//                  that does that first; find(job) gives that one
//   the file replaced, no job of it for a while, or more programs than are kept -> its parked one ends
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <memory>

#include "base/loop.hpp"
#include "base/parked_program.hpp"

namespace fard {

struct ParkedJobsOptions {
    std::size_t most = 8;                             // programs; 0: none is ever parked
    Duration delay = std::chrono::milliseconds(100);  // from a program's leave until it is parked
    Duration patience = std::chrono::seconds(10);     // for it to be ready
    Duration idle_limit = std::chrono::minutes(5);    // without a job
    int nice = 0;
};

struct ParkedJob {
    std::filesystem::path file;     // of the program
    std::filesystem::path overlay;  // the directory of the package; "": any, or none
    friend auto operator<=>(const ParkedJob&, const ParkedJob&) = default;
};

// Lives on the node manager's loop.
class ParkedJobs {
  public:
    ParkedJobs(Loop& loop, ParkedJobsOptions options) : loop_(loop), options_(options) {}
    ~ParkedJobs();  // ends all; the jobs made of them go on
    ParkedJobs(const ParkedJobs&) = delete;
    ParkedJobs& operator=(const ParkedJobs&) = delete;

    // The program of that file if it is parked and ready, with that overlay if there is one. One that is still making it ready ends, for
    // the job does so now. Valid until the loop goes on.
    ParkedProgram* find(const ParkedJob& job);

    // A job of that file said that the program may be parked.
    void allow(const std::filesystem::path& file) { park_soon_if({file, {}}); }

    // The next job of this program and overlay is to begin with it made ready.
    void keep(const ParkedJob& job) { park_soon_if(job); }

    // What find() gave did not do what it should: it is ended. The one with the overlay is not parked again; without, none of that file is,
    // until it changes.
    void give_up(const ParkedJob& job);

    std::size_t parked() const;  // processes

  private:
    struct Place {
        struct stat identity {};
        std::unique_ptr<ParkedProgram> program;
        TimePoint used;
        Loop::TimerId timer = 0;  // the next thing to do: park it, give it up, or end it
        bool allowed = false, useless = false;
    };

    Place& place_of(const ParkedJob& job);
    void park_soon_if(const ParkedJob& job);
    void park_soon(const ParkedJob& job, Place& place);
    void park(const ParkedJob& job);
    void ended(const ParkedJob& job);
    void set_timer(Place& place, Duration delay, Loop::Callback callback);
    void end(Place& place);
    void end_idle(const ParkedJob& job);
    void make_room();

    Loop& loop_;
    ParkedJobsOptions options_;
    std::map<ParkedJob, Place> places_;
};

}  // namespace fard
