#include "jobs/interrupts.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cassert>
#include <csignal>

namespace fard {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds again = 5ms;

// What the handler sees; it runs on the thread that it interrupts.
std::atomic<bool> due{false};
std::atomic<bool> waiting{false};  // or about to
std::atomic<timer_t*> again_timer{nullptr};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<timer_t*>::is_always_lock_free);

template <typename Value>
Value look(const std::atomic<Value>& at) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return at.load(std::memory_order_relaxed);
}
template <typename Value>
void put(std::atomic<Value>& at, Value value) {
    at.store(value, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

void set(timer_t timer, std::chrono::nanoseconds delay) {
    itimerspec when{};
    when.it_value.tv_nsec = delay.count();
    ::timer_settime(timer, 0, &when, nullptr);
}

void handle(int) {
    put(due, true);
    const auto* timer = look(again_timer);
    if (look(waiting) && timer) set(*timer, again);
}

}  // namespace

Interrupts::Interrupts(int fd) : fd_(fd) {
    assert(look(again_timer) == nullptr);
    struct sigaction action {};
    action.sa_handler = handle;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGIO, &action, nullptr);
    sigevent event{};
    event.sigev_notify = SIGEV_SIGNAL;  // the kernel prefers the main thread
    event.sigev_signo = SIGIO;
    ::timer_create(CLOCK_MONOTONIC, &event, &timer_);
    put(again_timer, &timer_);
    const f_owner_ex owner{F_OWNER_TID, ::gettid()};
    ::fcntl(fd_, F_SETOWN_EX, &owner);
    ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_ASYNC);
    put(due, true);  // what came before
}

Interrupts::~Interrupts() {
    ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) & ~O_ASYNC);
    put<timer_t*>(again_timer, nullptr);
    ::timer_delete(timer_);
}

void Interrupts::after(std::chrono::milliseconds delay) {
    const auto ends = std::chrono::steady_clock::now() + delay;
    if (ends_ != std::chrono::steady_clock::time_point{} && ends_ <= ends) return;
    ends_ = ends;
    set(timer_, delay);
}

bool Interrupts::begin() {
    put(waiting, true);
    if (!look(due)) return true;
    put(waiting, false);
    return false;
}

void Interrupts::end() {
    put(waiting, false);
}

bool Interrupts::take() {
    if (!look(due)) return false;
    put(due, false);
    ends_ = {};
    return true;
}

}  // namespace fard
