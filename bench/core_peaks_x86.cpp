#include <immintrin.h>

#include <algorithm>

#include "bench/core_peaks.hpp"
#include "bench/measure.hpp"

namespace fard::bench {
namespace {

constexpr int repeats = 200'000;

// Twelve independent chains: more than latency times throughput. `asm` keeps the compiler from dropping them.
__attribute__((target("avx512f,avx512vnni"))) void dot_products() {
    __m512i sums[12] = {};
    const __m512i x = _mm512_set1_epi8(3), w = _mm512_set1_epi8(-2);
    for (int i = 0; i < repeats; ++i)
#pragma GCC unroll 12
        for (auto& sum : sums)
            asm volatile("vpdpbusd %1, %2, %0" : "+v"(sum) : "v"(w), "v"(x));
}

__attribute__((target("avx512f,avx512vpopcntdq"))) void bit_products() {
    __m512i sums[12] = {};
    const __m512i x = _mm512_set1_epi8(3), w = _mm512_set1_epi8(-2);
    for (int i = 0; i < repeats; ++i)
#pragma GCC unroll 12
        for (auto& sum : sums) {
            __m512i bits;
            asm volatile("vpandq %2, %3, %1\n\tvpopcntq %1, %1\n\tvpaddq %1, %0, %0"
                         : "+v"(sum), "=&v"(bits)
                         : "v"(w), "v"(x));
        }
}

template <typename Work>
double best_rate(double products, Work work) {
    double seconds = 1e9;
    for (int i = 0; i < 20; ++i) {
        const auto start = BenchClock::now();
        work();
        seconds = std::min(seconds, std::chrono::duration<double>(BenchClock::now() - start).count());
    }
    return products * repeats * 12 / seconds / 1e9;
}

}  // namespace

CorePeaks measure_core_peaks() {
    CorePeaks peaks;
    if (__builtin_cpu_supports("avx512vnni")) peaks.vnni = best_rate(64, dot_products);
    if (__builtin_cpu_supports("avx512vpopcntdq")) peaks.popcount = best_rate(512, bit_products);
    return peaks;
}

}  // namespace fard::bench
