// A program that has started, loaded its libraries, and waits to be used: a process made of it takes a few hundred
// microseconds, where starting the program anew takes the dynamic linker milliseconds.
//
//   owner                                    parked program (park())         new process
//     | -- request, descriptors -------------> |
//     |                                        | -- clone(CLONE_PARENT) ----> | the owner's child, not the program's
//     | <------------------------ report, with the kernel's word for its pid - |
//     |                                                                       | park() returns true in it
//
// The new process is in everything a child that ChildProcess::start made: watched, killed and reaped by its owner, with
// only the descriptors listed, leader of its own group, killed by the kernel when its owner's thread ends. It has the
// parked program's niceness, privileges, environment, and address space layout.
#pragma once

#include <map>
#include <memory>

#include "base/child_process.hpp"

namespace fard {

// Lives on its loop, and starts on a thread that lives as long as its children should (see ChildProcess).
class ParkedProgram {
  public:
    // Starts the program with the argument `--parked` added and descriptor 3 for us: it calls park(3). `gone` is called once
    // from the loop when it has ended without having been told to, and may destroy the ParkedProgram. Errors: those of
    // ChildProcess::start.
    static Result<std::unique_ptr<ParkedProgram>> start(Loop& loop, ChildSpec spec,
                                                        std::function<void()> gone);

    // Kills and reaps it; the processes made of it go on.
    ~ParkedProgram();
    ParkedProgram(const ParkedProgram&) = delete;
    ParkedProgram& operator=(const ParkedProgram&) = delete;

    bool ready() const { return ready_; }  // it waits, so start_child is quick

    // A new process with these descriptors (number in the child, 3 to 9 -> ours, which stays ours; 1 and 2 are captured).
    // Waits for its report, at most 0.5 s; a program that takes longer is killed. Errors: timed_out, unreachable (the program
    // is gone), io.
    Result<std::unique_ptr<ChildProcess>> start_child(const std::map<int, int>& descriptors,
                                                      ChildProcess::OnExit on_exit);

  private:
    ParkedProgram(Loop& loop, OwnedFd channel) : loop_(loop), channel_(std::move(channel)) {}
    Result<pid_t> await_report(Duration patience);

    Loop& loop_;
    OwnedFd channel_;
    std::unique_ptr<ChildProcess> program_;
    Loop::WatchId watch_ = 0;
    bool ready_ = false;
};

}  // namespace fard
