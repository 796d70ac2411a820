// When a job that has gone idle tells its senders of the last chunks that it took. A descriptor to poll,
// because a timeout of poll itself would be set and cleared with every chunk, which costs as much as the
// chunk.
#pragma once

#include <chrono>

namespace fard {

class CreditTimer {
  public:
    static constexpr std::chrono::milliseconds delay{20};

    CreditTimer();
    ~CreditTimer();
    CreditTimer(const CreditTimer&) = delete;
    CreditTimer& operator=(const CreditTimer&) = delete;

    int fd() const { return fd_; }  // readable `delay` after the start, until clear()
    void start();                   // no effect while it runs
    void clear();

  private:
    int fd_;
    bool running_ = false;
};

}  // namespace fard
