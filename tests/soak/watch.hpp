// What one run of a campaign brought, and when: gathered on the Api's thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/api.hpp"

namespace fard::soak {

using Clock = std::chrono::steady_clock;

inline std::string text_of(const std::vector<Frame>& tensors) {
    std::string text;
    for (const auto& tensor : tensors)
        text += tensor.text();
    return text;
}

class Watch {
  public:
    RunCallbacks callbacks() {
        return {.result = [this](std::uint64_t index,
                                 const std::vector<Frame>& tensors) { result(index, tensors); },
                .progress = [this](const Progress& progress) { phase(progress); },
                .ended =
                    [this](Result<RunSummary> summary) {
                        const std::lock_guard lock(mutex_);
                        summary_ = std::move(summary);
                        ended_.notify_all();
                    }};
    }

    bool wait_for_end(Clock::duration limit) {
        std::unique_lock lock(mutex_);
        return ended_.wait_for(lock, limit, [this] { return summary_.has_value(); });
    }
    void hit() {
        const std::lock_guard lock(mutex_);
        hit_ = Clock::now();
    }
    Result<RunSummary> summary() const { return *summary_; }
    // From the blow to the first result of the next wiring or attempt.
    std::optional<double> recovery_ms() const {
        if (!recovered_ || !hit_) return std::nullopt;
        return std::chrono::duration<double, std::milli>(*recovered_ - *hit_).count();
    }

    // The longest time without a result, from the blow on.
    double longest_pause_ms() const {
        if (!hit_) return 0;
        auto before = *hit_;
        Clock::duration longest{};
        for (const auto at : arrivals_) {
            if (at > before) longest = std::max(longest, at - std::exchange(before, at));
        }
        return std::chrono::duration<double, std::milli>(longest).count();
    }
    // What is wrong with the results; empty if they are these, once each, in order.
    std::string difference(const std::vector<std::string>& expected) const {
        if (results_.size() != expected.size())
            return std::to_string(results_.size()) + " results of " + std::to_string(expected.size());
        for (std::size_t i = 0; i < results_.size(); ++i) {
            if (results_[i].first != i) return "result " + std::to_string(i) + " out of order";
            if (results_[i].second != expected[i]) return "result " + std::to_string(i) + " differs";
        }
        return {};
    }

  private:
    void result(std::uint64_t index, const std::vector<Frame>& tensors) {
        const std::lock_guard lock(mutex_);
        if (again_ && !recovered_) recovered_ = Clock::now();
        results_.emplace_back(index, text_of(tensors));
        arrivals_.push_back(Clock::now());
    }
    void phase(const Progress& progress) {
        const std::lock_guard lock(mutex_);
        if (hit_ && progress.phase != "running" && progress.phase != "draining") left_ = true;
        if (left_ && progress.phase == "running") again_ = true;
    }

    std::mutex mutex_;
    std::condition_variable ended_;
    std::optional<Result<RunSummary>> summary_;
    std::vector<std::pair<std::uint64_t, std::string>> results_;
    std::vector<Clock::time_point> arrivals_;
    std::optional<Clock::time_point> hit_, recovered_;
    bool left_ = false, again_ = false;
};

}  // namespace fard::soak
