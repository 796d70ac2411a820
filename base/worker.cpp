#include "base/worker.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/lifetime.hpp"

namespace fard {

namespace {

constexpr int leisurely_niceness = 5;  // more than that of the process

class ThreadWorker final : public Worker {
  public:
    ThreadWorker(Loop& loop, unsigned threads, Pace pace) : loop_(loop) {
        // Signals are for the loop's thread.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        for (unsigned i = 0; i < threads; ++i)
            threads_.emplace_back([this, pace] {
                if (pace == Pace::leisurely) slow_down();
                work();
            });
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    ~ThreadWorker() override {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
            waiting_.clear();
        }
        changed_.notify_all();
        for (auto& thread : threads_)
            thread.join();
    }

    void run(Work work) override {
        {
            const std::lock_guard lock(mutex_);
            waiting_.push_back(std::move(work));
        }
        changed_.notify_one();
    }

  private:
    // Linux knows a niceness of each thread.
    static void slow_down() {
        const auto self = static_cast<id_t>(::syscall(SYS_gettid));
        ::setpriority(PRIO_PROCESS, self, ::getpriority(PRIO_PROCESS, self) + leisurely_niceness);
    }

    void work() {
        std::unique_lock lock(mutex_);
        for (;;) {
            changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
            if (ending_) return;
            auto next = std::move(waiting_.front());
            waiting_.pop_front();
            lock.unlock();
            auto then = next();
            next = nullptr;
            loop_.post(lifetime_.guarded(std::move(then)));
            lock.lock();
        }
    }

    Loop& loop_;
    Lifetime lifetime_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Work> waiting_;
    bool ending_ = false;
    std::vector<std::thread> threads_;  // the last: they use all of the above
};

}  // namespace

std::unique_ptr<Worker> make_worker(Loop& loop, unsigned threads, Pace pace) {
    return std::make_unique<ThreadWorker>(loop, threads, pace);
}

}  // namespace fard
