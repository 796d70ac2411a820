// Ctrl-C for a command that computes in this process and cannot be asked to stop: what it would leave behind is removed, and
// the process ends.
#pragma once

#include <csignal>
#include <functional>
#include <thread>

namespace fard::cli {

class Interruption {
  public:
    // Before any other thread is started. On SIGINT, SIGTERM or SIGHUP (unless that is ignored) `clean_up` runs on a thread
    // of its own while the others go on, and the process exits with 1.
    explicit Interruption(std::function<void()> clean_up);
    ~Interruption();  // signals end the process as they did before
    Interruption(const Interruption&) = delete;

  private:
    std::thread wait_for_signal(std::function<void()> clean_up) const;  // throws where there are no threads

    sigset_t signals_, before_;
    std::thread waiter_;
};

}  // namespace fard::cli
