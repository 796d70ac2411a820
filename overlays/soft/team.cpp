#include "overlays/soft/team.hpp"

namespace fard::soft {
namespace {

constexpr int spins_before_sleep = 5'000;  // about 50 microseconds

#if defined(__x86_64__)
void pause() {
    __builtin_ia32_pause();
}
#else
void pause() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
}
#endif

}  // namespace

Team::Team(std::size_t members, std::function<void(std::size_t index)> work)
    : members_(members), work_(std::move(work)) {
    try {
        for (std::size_t i = 1; i < members; ++i)
            threads_.emplace_back([this, i] { serve(i); });
    } catch (...) {
        end();  // else the threads that have started would be waited for, for ever
        throw;
    }
}

Team::~Team() {
    end();
}

void Team::end() {
    ends_ = true;
    ++round_;
    round_.notify_all();
}

void Team::run() {
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    work_(0);
    meet();
}

void Team::serve(std::size_t index) {
    for (std::uint32_t seen = 0;;) {
        for (int i = 0; i < spins_before_sleep && round_.load(std::memory_order_acquire) == seen; ++i)
            pause();
        round_.wait(seen, std::memory_order_acquire);
        seen = round_.load(std::memory_order_acquire);
        if (ends_) return;
        work_(index);
        meet();
    }
}

void Team::meet() {
    const auto meeting = meeting_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
        arrived_.store(0, std::memory_order_relaxed);
        meeting_.fetch_add(1, std::memory_order_release);
        meeting_.notify_all();
        return;
    }
    for (int i = 0; i < spins_before_sleep && meeting_.load(std::memory_order_acquire) == meeting; ++i)
        pause();
    meeting_.wait(meeting, std::memory_order_acquire);
}

}  // namespace fard::soft
