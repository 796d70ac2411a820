#include "jobs/credit_timer.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cstdint>

namespace fard {

CreditTimer::CreditTimer() : fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {}

CreditTimer::~CreditTimer() {
    ::close(fd_);
}

void CreditTimer::start() {
    if (running_) return;
    running_ = true;
    itimerspec when{};
    when.it_value.tv_nsec = std::chrono::nanoseconds(delay).count();
    ::timerfd_settime(fd_, 0, &when, nullptr);
}

void CreditTimer::clear() {
    std::uint64_t times = 0;
    [[maybe_unused]] const auto got = ::read(fd_, &times, sizeof times);
    running_ = false;
}

}  // namespace fard
