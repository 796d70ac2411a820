#include "runtime/emulated/board_pacer.hpp"

#include <cmath>

namespace fard {
namespace {

using std::chrono::nanoseconds;

std::int64_t ns_of(TimePoint time) {
    return std::chrono::duration_cast<nanoseconds>(time.time_since_epoch()).count();
}

TimePoint time_of(std::int64_t ns) {
    return TimePoint(nanoseconds(ns));
}

std::int64_t now_ns() {
    return ns_of(std::chrono::steady_clock::now());
}

std::int64_t host_ns(const BoardFigures& figures, std::size_t bytes) {
    return figures.host_ns_per_chunk + std::llround(figures.host_ns_per_byte * static_cast<double>(bytes));
}

std::int64_t way_ns(const BoardFigures& figures, std::size_t bytes) {
    return std::llround(figures.way_ns_per_byte * static_cast<double>(bytes));
}

}  // namespace

// The processor, then the way out. What the next chunk takes of the processor overlaps with this one's way.
TimePoint BoardPacer::charge_send(std::size_t bytes, TimePoint since) {
    const auto& figures = memory_.figures();
    const auto ready = memory_->processor.take(since == TimePoint{} ? now_ns() : ns_of(since), host_ns(figures, bytes));
    return time_of(memory_->way_out.take(ready, way_ns(figures, bytes)) + figures.way_latency_ns);
}

// A chunk comes in while it still leaves its sender: a way that was idle meanwhile adds nothing.
TimePoint BoardPacer::charge_arrival(std::size_t bytes) {
    const auto& figures = memory_.figures();
    const auto way = way_ns(figures, bytes);
    return time_of(memory_->way_in.take(now_ns() - way, way) + figures.way_latency_ns);
}

TimePoint BoardPacer::charge_receive(std::size_t bytes, TimePoint since) {
    return time_of(memory_->processor.take(ns_of(since), host_ns(memory_.figures(), bytes)));
}

}  // namespace fard
