// Lines for a descriptor whose reader may be slow or gone: a thread of its own writes them, so that nobody who logs
// ever waits (a terminal in scroll mode, a pipe that nobody reads, a disk that hangs). What does not fit into the queue is
// dropped, and that is said once there is room again.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace fard {

class LineWriter {
  public:
    explicit LineWriter(int fd, std::size_t most_bytes = std::size_t{1} << 20);  // the descriptor stays the caller's

    // Waits 1 s at most for what is queued; then leaves the thread alone with it.
    ~LineWriter();
    LineWriter(const LineWriter&) = delete;
    LineWriter& operator=(const LineWriter&) = delete;

    void write(std::string line);  // with its newline; thread-safe, never waits for the reader

  private:
    struct State;
    std::shared_ptr<State> state_;  // shared with the thread, which may outlive us
};

}  // namespace fard
