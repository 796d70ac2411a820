// Job programs that wait parked, so that the next job of the same program starts at once (base/parked_program.hpp).
//
//   find(file)  -> nullptr: the caller starts the program anew
//   allow(file) -> that job said that its program may be parked; soon after, it is
//   find(file)  -> the parked program
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

// Lives on the node manager's loop.
class ParkedJobs {
  public:
    ParkedJobs(Loop& loop, ParkedJobsOptions options) : loop_(loop), options_(options) {}
    ~ParkedJobs();  // ends all; the jobs made of them go on
    ParkedJobs(const ParkedJobs&) = delete;
    ParkedJobs& operator=(const ParkedJobs&) = delete;

    // The program of that file if it is parked and ready. Valid until the loop goes on.
    ParkedProgram* find(const std::filesystem::path& file);

    // A job of that file said that the program may be parked.
    void allow(const std::filesystem::path& file);

    // It did not do what it should: it is ended, and not parked again until its file changes.
    void give_up(const std::filesystem::path& file);

    std::size_t parked() const;  // processes

  private:
    struct Place {
        struct stat identity {};
        std::unique_ptr<ParkedProgram> program;
        TimePoint used;
        Loop::TimerId timer = 0;  // the next thing to do: park it, give it up, or end it
        bool allowed = false, useless = false;
    };

    Place& place_of(const std::filesystem::path& file);
    void park_soon(const std::filesystem::path& file, Place& place);
    void park(const std::filesystem::path& file);
    void ended(const std::filesystem::path& file);
    void set_timer(Place& place, Duration delay, Loop::Callback callback);
    void end_idle(const std::filesystem::path& file);
    void make_room();

    Loop& loop_;
    ParkedJobsOptions options_;
    std::map<std::filesystem::path, Place> places_;
};

}  // namespace fard
