// The real event loop, on Boost.Asio (fenced in asio_loop.cpp).
#pragma once

#include <memory>

#include "base/loop.hpp"

namespace fard {

class AsioLoop final : public Loop {
  public:
    AsioLoop();
    ~AsioLoop() override;

    void run();   // runs callbacks until stop(); the calling thread becomes the loop's thread
    void stop();  // thread-safe

    // Calls `callback` with the number of each of SIGINT, SIGTERM and SIGHUP that arrives, instead of the default action,
    // whether the parent blocked or ignored them or not; a SIGHUP that is ignored (nohup) stays ignored.
    void on_signals(std::function<void(int)> callback);

    TimePoint now() const override;
    TimerId call_at(TimePoint when, Callback callback) override;
    void cancel(TimerId timer) override;
    WatchId watch_readable(int fd, Callback callback) override;
    void unwatch(WatchId watch) override;
    void post(Callback callback) override;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace fard
