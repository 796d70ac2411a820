// A child process as a resource: started with only the descriptors listed, watched, killed and reaped by its
// owner.
//
//   start -> running -> exited (on_exit, once)
//               |
//               +--> released: goes on without us
//
// Lives on one loop. The child is a process group of its own, and when its first process ends, so does the
// whole group. With die_with_parent the kernel kills the child when the *thread* that called start ends, so
// start is called on a thread that lives as long as its children should (the loop's).
#pragma once

#include <sys/types.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.hpp"
#include "base/owned_fd.hpp"
#include "base/result.hpp"

namespace fard {

// How a process ended.
struct ChildExit {
    int code = -1;   // its exit code, -1 if a signal ended it (or if that cannot be known, without a signal)
    int signal = 0;  // the signal that ended it, 0 if it exited
    bool clean() const { return code == 0; }
    std::string text() const;  // "exit code 3", "signal 9 (SIGKILL)"
};

struct ChildSpec {
    std::filesystem::path program;           // a path; not searched for
    std::vector<std::string> args;           // after the program's name
    std::map<std::string, std::string> env;  // added to ours, or instead of what we have of that name
    std::map<int, int>
        descriptors;  // number in the child -> ours (stays ours). Not listed: 0 is /dev/null, 1 and 2
                      // are the capture or, without it, ours; everything else is closed.
    int nice = 0;     // added to our own niceness
    bool die_with_parent = true;     // SIGKILL when the thread that started it ends
    bool own_session = false;        // no controlling terminal: for what outlives the command that starts it
    bool no_new_privileges = false;  // setuid programs and file capabilities have no effect in it
    bool capture_stderr = true;      // keep its last words
};

// The end of a stream of text: at most 40 lines and 8 KiB of it.
class LastWords {
  public:
    void add(std::string_view bytes);
    std::string text() const;  // without a trailing newline; the first line may be cut

  private:
    std::string tail_;
};

// A stream of text, line by line; of a line longer than 4 KiB, its beginning.
class LineSplitter {
  public:
    void add(std::string_view bytes, const std::function<void(std::string_view)>& take);
    void finish(const std::function<void(std::string_view)>& take);  // a last line without a newline

  private:
    std::string line_;
};

class ChildProcess {
  public:
    using OnExit = std::function<void(const ChildExit&)>;

    // Returns once the program is executing. `on_exit` is called once, from the loop, after the child is
    // reaped and its standard error read to the end; it may destroy the ChildProcess. Errors: not_found (no
    // such program), io (it cannot be executed, or no process or descriptor is left).
    static Result<std::unique_ptr<ChildProcess>> start(Loop& loop, const ChildSpec& spec, OnExit on_exit);

    // The same for a child of ours that is running already and leads its group (ParkedProgram starts such). `standard_error`
    // is the end to read what it says there, or none. Errors: io; it is then killed and reaped.
    static Result<std::unique_ptr<ChildProcess>> adopt(Loop& loop, pid_t pid, OwnedFd standard_error,
                                                       OnExit on_exit);

    // Kills the group if it still runs, and reaps it (waits at most 2 s). on_exit is not called.
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    pid_t pid() const { return pid_; }
    bool running() const { return pid_fd_ >= 0; }
    void kill(int signal = SIGKILL);  // to the whole group; no effect once it has exited
    std::string last_words() const { return words_.text(); }

    // Calls `listener` from the loop with what the child writes, as it comes; the last of it before on_exit.
    void listen(std::function<void(std::string_view)> listener) { listener_ = std::move(listener); }
    void release();  // it goes on and is nobody's; on_exit is not called

  private:
    ChildProcess(Loop& loop, pid_t pid, int pid_fd, int stderr_fd, OnExit on_exit);
    void exited();
    bool read_stderr();
    void close_all();

    Loop& loop_;
    pid_t pid_;
    int pid_fd_;
    int stderr_fd_;
    OnExit on_exit_;
    Loop::WatchId exit_watch_ = 0;
    Loop::WatchId stderr_watch_ = 0;
    LastWords words_;
    std::function<void(std::string_view)> listener_;
};

}  // namespace fard
