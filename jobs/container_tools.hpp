// What the files of the container share. Internal to it.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>
#include <exception>
#include <new>

#include "base/result.hpp"

namespace fard {

inline constexpr std::uint64_t look_interval_ns = 5'000'000;  // at the control channel, between chunks that never pause

inline std::uint64_t read_clock(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

inline std::uint64_t monotonic_ns() {
    return read_clock(CLOCK_MONOTONIC);
}

template <typename Value>
void show(std::atomic<Value>& where, Value value) {
    where.store(value, std::memory_order_relaxed);
}

// What a job throws ends the run like an Error that it returns.
template <typename Call>
auto guarded(const char* what, Call call) -> decltype(call()) {
    try {
        return call();
    } catch (const std::bad_alloc&) {
        return fail(Fault::io, "{} found no memory", what);
    } catch (const std::exception& error) {
        return fail(Fault::failed, "{} threw: {}", what, error.what());
    } catch (...) {
        return fail(Fault::failed, "{} threw something that is no std::exception", what);
    }
}

}  // namespace fard
