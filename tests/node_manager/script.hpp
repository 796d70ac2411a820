// Steps of a test on a real loop: each waits (without blocking the loop) for what it needs, then acts.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <string>

#include "base/asio_loop.hpp"

namespace fard::test {

class Script {
  public:
    explicit Script(AsioLoop& loop) : loop_(loop) {}

    void when(
        std::string what, std::function<bool()> condition, std::function<void()> act = [] {}) {
        steps_.push_back({std::move(what), std::move(condition), std::move(act)});
    }

    // Runs the loop until all steps are done; fails when one has waited for longer than 20 s.
    void run() {
        step_began_ = loop_.now();
        loop_.post([this] { look(); });
        loop_.run();
        const bool all_done = steps_.empty();
        CHECK_MESSAGE(all_done, "waited too long for: " << (all_done ? "" : steps_.front().what));
    }

  private:
    struct Step {
        std::string what;
        std::function<bool()> condition;
        std::function<void()> act;
    };

    void look() {
        while (!steps_.empty() && steps_.front().condition()) {
            const auto step = std::move(steps_.front());
            steps_.pop_front();
            step.act();
            step_began_ = loop_.now();
        }
        if (steps_.empty() || loop_.now() - step_began_ > std::chrono::seconds(20)) return loop_.stop();
        loop_.call_after(std::chrono::milliseconds(1), [this] { look(); });
    }

    AsioLoop& loop_;
    std::deque<Step> steps_;
    TimePoint step_began_;
};

}  // namespace fard::test
