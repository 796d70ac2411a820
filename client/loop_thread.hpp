// A thread that runs a loop, and the way to run something on it and wait for that.
#pragma once

#include <future>
#include <thread>
#include <utility>

#include "base/asio_loop.hpp"

namespace fard {

class LoopThread {
  public:
    LoopThread() : thread_([this] { loop_.run(); }) {}
    ~LoopThread();
    LoopThread(const LoopThread&) = delete;

    AsioLoop& loop() { return loop_; }
    bool is_current() const { return std::this_thread::get_id() == thread_.get_id(); }

    // Runs `action` on the loop and returns its result. Not from the loop's own thread.
    template <typename Action>
    auto run(Action action) {
        std::packaged_task<decltype(action())()> task(std::move(action));
        auto done = task.get_future();
        loop_.post([&task] { task(); });
        return done.get();
    }

  private:
    AsioLoop loop_;
    std::thread thread_;
};

// What lived on the loop was destroyed on it before; what that posted runs before the end.
inline LoopThread::~LoopThread() {
    run([] {});
    loop_.stop();
    thread_.join();
}

}  // namespace fard
