#include "client/results.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fard {
namespace {

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

double percentile(const std::vector<double>& sorted, double share) {
    const double place = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const auto above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

}  // namespace

LatencyMs latency_of(std::vector<double> milliseconds) {
    LatencyMs latency;
    if (milliseconds.empty()) return latency;
    std::sort(milliseconds.begin(), milliseconds.end());
    const auto count = static_cast<double>(milliseconds.size());
    latency.mean = std::accumulate(milliseconds.begin(), milliseconds.end(), 0.0) / count;
    double squares = 0;
    for (const double value : milliseconds)
        squares += (value - latency.mean) * (value - latency.mean);
    latency.sd = milliseconds.size() > 1 ? std::sqrt(squares / (count - 1)) : 0;
    latency.p50 = percentile(milliseconds, 0.50);
    latency.p95 = percentile(milliseconds, 0.95);
    latency.p99 = percentile(milliseconds, 0.99);
    return latency;
}

RunTimes::RunTimes(TimePoint started, std::uint64_t chunks) : started_(started), sent_(chunks) {
    latency_ms_.reserve(chunks);
}

void RunTimes::placed(TimePoint now) {
    if (!placed_) placed_ = now;
}

void RunTimes::sent(std::uint64_t index, TimePoint now) {
    if (sent_.at(index) == TimePoint{}) sent_[index] = now;
}

void RunTimes::arrived(std::uint64_t index, TimePoint now) {
    latency_ms_.push_back(seconds(now - sent_.at(index)) * 1e3);
    if (!first_) first_ = now;
    last_ = now;
}

void RunTimes::fill(RunSummary& summary, TimePoint now) const {
    summary.chunks_out = latency_ms_.size();
    summary.wall_s = seconds(now - started_);
    const auto count = static_cast<double>(summary.chunks_out);
    summary.throughput_per_s = summary.wall_s > 0 ? count / summary.wall_s : 0;
    summary.placed_wall_s = last_ ? seconds(*last_ - placed_.value_or(started_)) : 0;
    summary.first_result_s = first_ ? seconds(*first_ - started_) : 0;
    const double steady_s = first_ ? seconds(*last_ - *first_) : 0;
    summary.steady_per_s = steady_s > 0 ? (count - 1) / steady_s : summary.throughput_per_s;
    summary.latency_ms = latency_of(latency_ms_);
}

}  // namespace fard
