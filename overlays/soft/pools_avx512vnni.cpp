// Pools of bytes: 64 channels at a time, the last ones under a mask.
#include <immintrin.h>

#include "overlays/soft/byte_kernels_avx512vnni.hpp"

#define FARD_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

namespace fard::soft::avx512vnni {
namespace {

FARD_AVX512 inline __mmask64 lanes_from(std::size_t begin, std::size_t end) {
    return end - begin >= 64 ? ~std::uint64_t{0} : ~std::uint64_t{0} >> (64 - (end - begin));
}

FARD_AVX512 __m512i largest(const MaxRow& job, std::ptrdiff_t x, std::size_t begin, __mmask64 mask) {
    __m512i most = _mm512_setzero_si512();
    for (std::ptrdiff_t column = 0; column < job.columns; ++column, x += job.dilation) {
        if (x < 0 || x >= job.in_width) continue;
        for (std::size_t line = 0; line < job.line_count; ++line)
            most =
                _mm512_max_epu8(most, _mm512_maskz_loadu_epi8(mask, job.lines[line] + x * job.channels +
                                                                        static_cast<std::ptrdiff_t>(begin)));
    }
    return most;
}

}  // namespace

FARD_AVX512 void max_row(const MaxRow& job) {
    const auto channels = static_cast<std::size_t>(job.channels);
    for (std::size_t begin = 0; begin < channels; begin += 64) {
        const auto mask = lanes_from(begin, channels);
        auto x = job.first_x;
        for (std::size_t i = 0; i < job.count; ++i, x += job.stride)
            _mm512_mask_storeu_epi8(job.out + i * channels + begin, mask, largest(job, x, begin, mask));
    }
}

FARD_AVX512 void pixel_sums(const PixelSums& job) {
    for (std::size_t begin = 0; begin < job.channels; begin += 16) {
        const auto mask = static_cast<__mmask16>(lanes_from(begin, job.channels));
        __m512i sums = _mm512_maskz_loadu_epi32(mask, job.sums + begin);
        for (std::size_t pixel = 0; pixel < job.pixels; ++pixel)
            sums = _mm512_add_epi32(sums, _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(
                                              mask, job.image + pixel * job.channels + begin)));
        _mm512_mask_storeu_epi32(job.sums + begin, mask, sums);
    }
}

}  // namespace fard::soft::avx512vnni
