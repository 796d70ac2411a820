// Pools of bytes: 64 channels at a time, the last ones under a mask.
#include <immintrin.h>

#include "overlays/soft/kernels/byte_kernels_avx512vnni.hpp"

#define FARD_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define FARD_AVX512_INLINE FARD_AVX512 inline __attribute__((always_inline))

namespace fard::soft::avx512vnni {
namespace {

FARD_AVX512 inline __mmask64 lanes_from(std::size_t begin, std::size_t end) {
    return end - begin >= 64 ? ~std::uint64_t{0} : ~std::uint64_t{0} >> (64 - (end - begin));
}

FARD_AVX512_INLINE __m512i load(const std::uint8_t* from, __mmask64 mask) {
    return _mm512_maskz_loadu_epi8(mask, from);
}

// A column of the window.
FARD_AVX512_INLINE __m512i largest_of_lines(const std::uint8_t* const* lines, std::size_t count,
                                            std::ptrdiff_t at, __mmask64 mask) {
    __m512i most = load(lines[0] + at, mask);
    for (std::size_t line = 1; line < count; ++line)
        most = _mm512_max_epu8(most, load(lines[line] + at, mask));
    return most;
}

// Any window, also one that leaves the image.
FARD_AVX512 __m512i largest(const MaxRow& job, std::ptrdiff_t x, std::ptrdiff_t begin, __mmask64 mask) {
    __m512i most = _mm512_setzero_si512();
    for (std::ptrdiff_t column = 0; column < job.columns && job.line_count > 0; ++column, x += job.dilation)
        if (x >= 0 && x < job.in_width)
            most = _mm512_max_epu8(
                most, largest_of_lines(job.lines, job.line_count, x * job.channels + begin, mask));
    return most;
}

// How many windows lie within the image, from the first on that does.
struct Inside {
    std::size_t first = 0, count = 0;
    explicit Inside(const MaxRow& job) {
        auto x = job.first_x;
        for (; first < job.count && x < 0; ++first)
            x += job.stride;
        for (; first + count < job.count && x + job.columns <= job.in_width; ++count)
            x += job.stride;
    }
};

// `count` windows of Lines x Columns from column x on, all within the image. Where neighbours share a column, it is read once.
template <std::size_t Lines, std::size_t Columns>
FARD_AVX512 void largest_inside(const MaxRow& job, std::ptrdiff_t x, std::size_t count, std::ptrdiff_t begin,
                                __mmask64 mask, std::uint8_t* out) {
    const std::uint8_t* lines[Lines];
    for (std::size_t i = 0; i < Lines; ++i)
        lines[i] = job.lines[i] + x * job.channels + begin;
    const auto channels = job.channels, step = job.stride * channels;
    const bool shared = job.stride + 1 == static_cast<std::ptrdiff_t>(Columns);
    __m512i first = largest_of_lines(lines, Lines, 0, mask);
    for (std::ptrdiff_t at = 0; count > 0; --count, at += step, out += channels) {
        __m512i most = first;
        for (std::size_t column = 1; column < Columns; ++column) {
            first = largest_of_lines(lines, Lines, at + static_cast<std::ptrdiff_t>(column) * channels, mask);
            most = _mm512_max_epu8(most, first);
        }
        if (mask == ~std::uint64_t{0})
            _mm512_storeu_si512(out, most);
        else
            _mm512_mask_storeu_epi8(out, mask, most);
        if (!shared && count > 1) first = largest_of_lines(lines, Lines, at + step, mask);
    }
}

using LargestInside = void (*)(const MaxRow&, std::ptrdiff_t, std::size_t, std::ptrdiff_t, __mmask64,
                               std::uint8_t*);
// For windows of two by two and three by three; nullptr for others.
LargestInside inside_kernel(const MaxRow& job) {
    if (job.dilation != 1) return nullptr;
    if (job.columns == 2 && job.line_count == 2) return largest_inside<2, 2>;
    if (job.columns == 3 && job.line_count == 3) return largest_inside<3, 3>;
    return nullptr;
}

}  // namespace

FARD_AVX512 void max_row(const MaxRow& job) {
    const auto channels = static_cast<std::size_t>(job.channels);
    const auto kernel = inside_kernel(job);
    const Inside inside(job);
    for (std::size_t begin = 0; begin < channels; begin += 64) {
        const auto mask = lanes_from(begin, channels);
        const auto from = static_cast<std::ptrdiff_t>(begin);
        for (std::size_t i = 0; i < job.count; ++i) {
            const auto x = job.first_x + static_cast<std::ptrdiff_t>(i) * job.stride;
            auto* out = job.out + i * channels + begin;
            if (kernel && i == inside.first && inside.count > 0) {
                kernel(job, x, inside.count, from, mask, out);
                i += inside.count - 1;
            } else {
                _mm512_mask_storeu_epi8(out, mask, largest(job, x, from, mask));
            }
        }
    }
}

namespace {

constexpr std::size_t most_pixels = 257;  // whose bytes' sum has 16 bits

// Sums of `count` <= most_pixels pixels, of 64 channels: those with even numbers, then the others.
FARD_AVX512_INLINE void add_pixels(const std::uint8_t* image, std::size_t count, std::size_t channels,
                                   __mmask64 mask, std::uint16_t (&sums)[64]) {
    const __m512i low_bytes = _mm512_set1_epi16(255);
    __m512i even = _mm512_setzero_si512(), odd = _mm512_setzero_si512();
    for (; count > 0; --count, image += channels) {
        const __m512i bytes = load(image, mask);
        even = _mm512_add_epi16(even, _mm512_and_si512(bytes, low_bytes));
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16(bytes, 8));
    }
    _mm512_storeu_si512(sums, even);
    _mm512_storeu_si512(sums + 32, odd);
}

}  // namespace

FARD_AVX512 void pixel_sums(const PixelSums& job) {
    for (std::size_t begin = 0; begin < job.channels; begin += 64) {
        const auto mask = lanes_from(begin, job.channels);
        const std::size_t lanes = job.channels - begin < 64 ? job.channels - begin : 64;
        for (std::size_t first = 0; first < job.pixels; first += most_pixels) {
            const std::size_t count = job.pixels - first < most_pixels ? job.pixels - first : most_pixels;
            std::uint16_t sums[64];
            add_pixels(job.image + first * job.channels + begin, count, job.channels, mask, sums);
            for (std::size_t c = 0; c < lanes; ++c)
                job.sums[begin + c] += sums[c % 2 * 32 + c / 2];
        }
    }
}

}  // namespace fard::soft::avx512vnni
