// Ends a wait of the job's thread when its control channel has something to say, or when a time is over: by a signal. To
// poll one descriptor more, or with a timeout, would cost every chunk; a signal costs the few waits that it ends.
//
// The signal is SIGIO; system calls that the kernel can restart are restarted, so process() sees it only where it would
// see any signal. A signal that comes between the last look and the wait is sent again until the wait has ended.
#pragma once

#include <chrono>
#include <ctime>

namespace fard {

// One of a process, on its main thread.
class Interrupts {
  public:
    explicit Interrupts(int fd);  // stays the caller's, open for as long as this
    ~Interrupts();
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;

    void after(std::chrono::milliseconds delay);  // below 1 s; no effect while one that ends sooner runs

    // Around a wait; begin() says false if there is nothing to wait for: an interrupt is due.
    bool begin();
    void end();

    bool take();  // whether one has come since; the time is then over

  private:
    int fd_;
    timer_t timer_{};
    std::chrono::steady_clock::time_point ends_{};  // of the time that runs; the epoch if none does
};

}  // namespace fard
