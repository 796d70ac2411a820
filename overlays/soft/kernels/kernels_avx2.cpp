#include "overlays/soft/kernels/kernels_avx2.hpp"

#include <immintrin.h>

#include <cstring>

#include "overlays/soft/kernels/kernels_plain.hpp"

#define FARD_AVX2 __attribute__((target("avx2")))

namespace fard::soft::avx2 {
namespace {

constexpr std::size_t tile_rows = 4;  // with two vectors a row, sums take 8 of the 16 registers
constexpr std::size_t most_linear_steps =
    32;  // from here on a binary search is faster than comparing with all

FARD_AVX2 inline __m256i load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
FARD_AVX2 inline void store(void* to, __m256i value) {
    _mm256_storeu_si256(static_cast<__m256i*>(to), value);
}

FARD_AVX2 inline __m256i broadcast4(const void* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm256_set1_epi32(four);
}

template <std::size_t Rows>
FARD_AVX2 void gemm_u8_tile(const GemmU8& job, const std::uint8_t* a, std::int32_t* out) {
    const __m256i ones = _mm256_set1_epi16(1);
    std::size_t group = 0;
    for (std::size_t s = 0; s < job.segments; ++s) {
        __m256i sums[Rows][2];
        for (std::size_t r = 0; r < Rows; ++r)
            sums[r][0] = sums[r][1] = _mm256_setzero_si256();
        for (; group < job.segment_ends[s]; ++group) {
            const __m256i b0 = load(job.panel + group * 64);
            const __m256i b1 = load(job.panel + group * 64 + 32);
            for (std::size_t r = 0; r < Rows; ++r) {
                const __m256i x = broadcast4(a + r * job.a_stride + group * 4);
                sums[r][0] = _mm256_add_epi16(sums[r][0], _mm256_maddubs_epi16(x, b0));
                sums[r][1] = _mm256_add_epi16(sums[r][1], _mm256_maddubs_epi16(x, b1));
            }
        }
        for (std::size_t r = 0; r < Rows; ++r)
            for (std::size_t half = 0; half < 2; ++half) {
                std::int32_t* place = out + r * panel_width + half * 8;
                const __m256i wide = _mm256_madd_epi16(sums[r][half], ones);
                store(place, s == 0 ? wide : _mm256_add_epi32(load(place), wide));
            }
    }
}

template <std::size_t Rows>
FARD_AVX2 void gemm_i16_tile(const GemmI16& job, const std::int16_t* a, std::int32_t* out) {
    __m256i sums[Rows][2];
    for (std::size_t r = 0; r < Rows; ++r)
        sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    for (std::size_t pair = 0; pair < job.pairs; ++pair) {
        const __m256i b0 = load(job.panel + pair * 32);
        const __m256i b1 = load(job.panel + pair * 32 + 16);
        for (std::size_t r = 0; r < Rows; ++r) {
            const __m256i x = broadcast4(a + r * job.a_stride + pair * 2);
            sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_madd_epi16(x, b0));
            sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_madd_epi16(x, b1));
        }
    }
    for (std::size_t r = 0; r < Rows; ++r) {
        store(out + r * panel_width, sums[r][0]);
        store(out + r * panel_width + 8, sums[r][1]);
    }
}

// Eight bytes of counts, each in a 32-bit lane, side by side.
FARD_AVX2 inline __m128i bytes_of_lanes(__m256i low, __m256i high) {
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0b11011000);
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

FARD_AVX2 inline void store_lanes(std::uint8_t* out, __m128i bytes, std::size_t lanes) {
    if (lanes == panel_width) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
        return;
    }
    std::uint8_t all[panel_width];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(all), bytes);
    std::memcpy(out, all, lanes);
}

// A comparison gives -1 where it holds, so counting is subtracting.
FARD_AVX2 inline __m128i count_words(__m256i sums, const std::int16_t* limits, std::size_t steps,
                                     __m256i first) {
    __m256i counts = first;
    for (std::size_t t = 0; t < steps; ++t)
        counts = _mm256_sub_epi16(counts, _mm256_cmpgt_epi16(sums, load(limits + t * panel_width)));
    return _mm_packus_epi16(_mm256_castsi256_si128(counts), _mm256_extracti128_si256(counts, 1));
}

}  // namespace

bool runs_here() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

FARD_AVX2 void gemm_u8(const GemmU8& job) {
    std::size_t r = 0;
    for (; r + tile_rows <= job.rows; r += tile_rows)
        gemm_u8_tile<tile_rows>(job, job.a + r * job.a_stride, job.out + r * panel_width);
    const auto* a = job.a + r * job.a_stride;
    auto* out = job.out + r * panel_width;
    switch (job.rows - r) {
        case 3:
            return gemm_u8_tile<3>(job, a, out);
        case 2:
            return gemm_u8_tile<2>(job, a, out);
        case 1:
            return gemm_u8_tile<1>(job, a, out);
        default:
            return;
    }
}

FARD_AVX2 void gemm_i16(const GemmI16& job) {
    std::size_t r = 0;
    for (; r + tile_rows <= job.rows; r += tile_rows)
        gemm_i16_tile<tile_rows>(job, job.a + r * job.a_stride, job.out + r * panel_width);
    const auto* a = job.a + r * job.a_stride;
    auto* out = job.out + r * panel_width;
    switch (job.rows - r) {
        case 3:
            return gemm_i16_tile<3>(job, a, out);
        case 2:
            return gemm_i16_tile<2>(job, a, out);
        case 1:
            return gemm_i16_tile<1>(job, a, out);
        default:
            return;
    }
}

FARD_AVX2 void count32(const Count32& job) {
    if (job.steps > most_linear_steps) return plain::count32(job);
    const __m256i first = _mm256_set1_epi32(job.first);
    for (std::size_t r = 0; r < job.rows; ++r) {
        const __m256i low = load(job.sums + r * panel_width);
        const __m256i high = load(job.sums + r * panel_width + 8);
        __m256i low_counts = first, high_counts = first;
        for (std::size_t t = 0; t < job.steps; ++t) {
            const auto* limits = job.limits + t * panel_width;
            low_counts = _mm256_sub_epi32(low_counts, _mm256_cmpgt_epi32(low, load(limits)));
            high_counts = _mm256_sub_epi32(high_counts, _mm256_cmpgt_epi32(high, load(limits + 8)));
        }
        store_lanes(job.out + r * job.out_stride, bytes_of_lanes(low_counts, high_counts), job.lanes);
    }
}

FARD_AVX2 void count16(const Count16& job) {
    if (job.steps > most_linear_steps) return plain::count16(job);
    const __m256i first = _mm256_set1_epi16(job.first);
    for (std::size_t r = 0; r < job.rows; ++r) {
        const auto* sums = job.sums + r * panel_width;
        const __m256i words =
            _mm256_permute4x64_epi64(_mm256_packs_epi32(load(sums), load(sums + 8)), 0b11011000);
        store_lanes(job.out + r * job.out_stride, count_words(words, job.limits, job.steps, first),
                    job.lanes);
    }
}

FARD_AVX2 void depthwise16(const Depthwise16& job) {
    if (job.steps > most_linear_steps) return plain::depthwise16(job);
    const __m256i first = _mm256_set1_epi16(job.first);
    for (std::size_t c = 0; c < job.channels; c += panel_width) {
        const auto* weights = job.weights + c * job.tap_count;
        __m256i sums = _mm256_setzero_si256();
        for (std::size_t t = 0; t < job.tap_count; ++t) {
            const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(job.taps[t] + c));
            const __m256i products =
                _mm256_mullo_epi16(_mm256_cvtepu8_epi16(bytes), load(weights + t * panel_width));
            sums = _mm256_add_epi16(sums, products);
        }
        const std::size_t lanes = job.channels - c < panel_width ? job.channels - c : panel_width;
        store_lanes(job.out + c, count_words(sums, job.limits + c * job.steps, job.steps, first), lanes);
    }
}

FARD_AVX2 void depthwise32(const Depthwise32& job) {
    for (std::size_t c = 0; c < job.channels; c += 8) {
        const auto* weights = job.weights + c / panel_width * panel_width * job.tap_count + c % panel_width;
        __m256i sums = _mm256_setzero_si256();
        for (std::size_t t = 0; t < job.tap_count; ++t) {
            const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(job.taps[t] + c));
            const __m128i row = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + t * panel_width));
            sums = _mm256_add_epi32(
                sums, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_cvtepi16_epi32(row)));
        }
        store(job.out + c, sums);
    }
}

}  // namespace fard::soft::avx2
