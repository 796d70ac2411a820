#include "overlays/emulated/emulated_time.hpp"

#include <sys/timerfd.h>

#include <algorithm>
#include <ctime>

#include "base/owned_fd.hpp"

namespace fard {
namespace {

class RealTime final : public EmulatedTime {
  public:
    RealTime() : fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {}

    std::int64_t now_ns() const override {
        timespec time{};
        ::clock_gettime(CLOCK_MONOTONIC, &time);
        return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
    }

    void wake_at(std::int64_t time_ns) override { set(std::max<std::int64_t>(time_ns, 1)); }
    void sleep() override { set(0); }
    int fd() const override { return fd_.get(); }

  private:
    void set(std::int64_t time_ns) {
        itimerspec when{};
        when.it_value.tv_sec = time_ns / 1'000'000'000;
        when.it_value.tv_nsec = time_ns % 1'000'000'000;
        ::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
    }

    OwnedFd fd_;
};

}  // namespace

std::unique_ptr<EmulatedTime> make_real_time() {
    return std::make_unique<RealTime>();
}

}  // namespace fard
