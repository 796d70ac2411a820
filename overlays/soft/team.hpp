// A few threads that work on one thing together, again and again: a plan's threads.
//
//   run(): every member calls work(index) once; the caller is member 0. Between two of its parts, work waits for all
//   others at meet(). A member that waits spins for a short while, then sleeps.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace fard::soft {

class Team {
  public:
    // Starts `members` - 1 threads; throws std::system_error where there are no more. `work` is called by all of them and must not throw.
    Team(std::size_t members, std::function<void(std::size_t index)> work);
    ~Team();  // ends the threads; not during run
    Team(const Team&) = delete;
    Team& operator=(const Team&) = delete;

    std::size_t members() const { return members_; }

    // Returns when all members are done. One thread at a time; it allocates nothing.
    void run();
    // Returns when all members have called it. From within work only; with one member, at once.
    void meet();

  private:
    void serve(std::size_t index);
    void end();

    const std::size_t members_;
    const std::function<void(std::size_t)> work_;
    std::atomic<std::uint32_t> round_ = 0;  // changes with each run
    std::atomic<bool> ends_ = false;
    alignas(64) std::atomic<std::uint32_t> arrived_ = 0;
    alignas(64) std::atomic<std::uint32_t> meeting_ = 0;  // changes when all have arrived
    std::vector<std::jthread> threads_;
};

}  // namespace fard::soft
