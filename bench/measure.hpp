// How a chain is measured, the same for every chain: a thread that sends, this thread that receives.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

namespace fard::bench {

using BenchClock = std::chrono::steady_clock;

inline double median(std::vector<double> values) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const auto middle = values.size() / 2;
    return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// `send()` sends one chunk and `receive()` receives one; both wait for as long as it takes.
template <typename Send, typename Receive>
double measure_throughput(std::chrono::nanoseconds span, Send send, Receive receive) {
    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> sent = 0;
    std::thread source([&] {
        while (!stop.load(std::memory_order_relaxed))
            send(), sent.fetch_add(1, std::memory_order_relaxed);
    });
    receive();
    const auto start = BenchClock::now();
    auto last = start;
    std::uint64_t received = 1, counted = 1;
    while (last - start < span) {
        receive();
        ++received;
        if (received % 64 != 0 && received > 4096) continue;  // the clock is not free either
        last = BenchClock::now();
        counted = received;
    }
    stop = true;
    // What is on its way comes out too; the source may be waiting for the sink to take it.
    std::atomic<bool> ended = false;
    std::thread watcher([&] {
        source.join();
        ended = true;
    });
    while (!ended || received < sent) {
        if (received < sent)
            receive(), ++received;
        else
            std::this_thread::yield();
    }
    watcher.join();
    return static_cast<double>(counted - 1) / std::chrono::duration<double>(last - start).count();
}

template <typename Send, typename Receive>
double measure_latency(std::chrono::nanoseconds span, Send send, Receive receive) {
    std::vector<double> microseconds;
    const auto start = BenchClock::now();
    for (auto now = start; now - start < span;) {
        send();
        receive();
        const auto then = std::exchange(now, BenchClock::now());
        microseconds.push_back(std::chrono::duration<double, std::micro>(now - then).count());
    }
    return median(std::move(microseconds));
}

}  // namespace fard::bench
